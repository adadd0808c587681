"""Names of the buckets: a partition has each once, so they end with the account. Needs no provider."""


def stems(label: str, second_region: str = "") -> tuple[str, str]:
    """Return what stands before the account's number: of a bucket for backups, and of the one for its access log.

    A second bucket has its region's name: after a change of the setting the older one is still there, under its own.
    """
    stem = f"{label}-{second_region or 'backup'}-"
    return stem, f"{stem}logs-"

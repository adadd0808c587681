"""The one error that the lab raises on purpose."""


class LabError(Exception):
    """Something is refused or failed. The text names the value, the limit and the next step."""

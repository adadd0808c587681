"""EC2 instance types by what a host declares.

Source: EC2's own DescribeInstanceTypes (a test compares each type with a copy of it) and the EC2 user guide, "CPU
options for your instance". In the families m7a, r7a, m7g and r7g a vCPU is a physical core; in m7i and r7i it is half
of one, so those would not hold what a setting says. All are Nitro (volumes are NVMe devices), EBS-optimised without a
charge, recover onto other hardware by themselves and have no CPU credits. Not every region has each family.
"""

FAMILIES = {  # (architecture, GiB of memory for each core): family
    ("x86_64", 4): "m7a",
    ("x86_64", 8): "r7a",
    ("aarch64", 4): "m7g",
    ("aarch64", 8): "r7g",
}
SIZES = {
    2: "large",
    4: "xlarge",
    8: "2xlarge",
    16: "4xlarge",
    32: "8xlarge",
    48: "12xlarge",
    64: "16xlarge",
}  # cores: size


def instance_type(cores: int, memory_mib: int, architecture: str) -> str | None:
    """Return the type with exactly these cores and this memory, None where there is none."""
    gib_per_core, rest = divmod(memory_mib, cores * 1024)
    family = FAMILIES.get((architecture, gib_per_core))
    size = SIZES.get(cores)
    return f"{family}.{size}" if family and size and not rest else None


def choices(architecture: str) -> str:
    """Return the possible sizes in words."""
    ratios = sorted(gib for known, gib in FAMILIES if known == architecture)
    return f"{', '.join(map(str, SIZES))} cores with {' or '.join(map(str, ratios))} GiB of memory for each"

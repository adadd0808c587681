"""Instance types: what a setting says is what EC2 gives, by EC2's own answers."""

import gzip
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import moto
import pytest
from infra import stack_files
from infra.instance_types import FAMILIES, SIZES, choices, instance_type

ROOT = Path(__file__).parents[3]
# A copy of EC2's DescribeInstanceTypes, which moto answers with.
DESCRIBED: Mapping[str, Any] = json.loads(
    gzip.decompress((Path(moto.__file__).parent / "ec2/resources/instance_types.json.gz").read_bytes())
)
EVERY_TYPE = [(*known, cores) for known, cores in itertools.product(FAMILIES, SIZES)]


def described(architecture: str, gib_per_core: int, cores: int) -> Mapping[str, Any]:
    name = instance_type(cores, cores * gib_per_core * 1024, architecture)
    assert name is not None
    facts: Mapping[str, Any] = DESCRIBED[name]
    return facts


@pytest.mark.parametrize(("architecture", "gib_per_core", "cores"), EVERY_TYPE)
def test_a_type_has_the_cores_and_the_memory_that_were_asked_for(
    architecture: str, gib_per_core: int, cores: int
) -> None:
    facts = described(architecture, gib_per_core, cores)
    assert facts["VCpuInfo"]["DefaultCores"] == facts["VCpuInfo"]["DefaultVCpus"] == cores
    assert facts["MemoryInfo"]["SizeInMiB"] == cores * gib_per_core * 1024
    assert facts["ProcessorInfo"]["SupportedArchitectures"] == [architecture.replace("aarch64", "arm64")]


@pytest.mark.parametrize(("architecture", "gib_per_core", "cores"), EVERY_TYPE)
def test_a_type_is_what_the_rest_of_the_program_takes_for_granted(
    architecture: str, gib_per_core: int, cores: int
) -> None:
    facts = described(architecture, gib_per_core, cores)
    assert facts["Hypervisor"] == "nitro"  # volumes appear as NVMe devices, named after their ids
    assert facts["EbsInfo"]["NvmeSupport"] == "required"
    assert facts["EbsInfo"]["EbsOptimizedSupport"] == "default"
    assert facts["EbsInfo"]["EncryptionSupport"] == "supported"
    assert facts["AutoRecoverySupported"] is True
    assert facts["BurstablePerformanceSupported"] is False  # so no credits of processors
    assert facts["InstanceStorageSupported"] is False  # recovery onto other hardware would lose it
    assert facts["SupportedRootDeviceTypes"] == ["ebs"]
    assert "hvm" in facts["SupportedVirtualizationTypes"]


@pytest.mark.parametrize(("architecture", "gib_per_core"), FAMILIES)
@pytest.mark.parametrize("page", ["aws.md", "aws.zh-CN.md"])
def test_the_guide_says_what_an_instance_carries_beside_the_speeds_of_its_volumes(
    page: str, architecture: str, gib_per_core: int
) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    default, larger = (described(architecture, gib_per_core, cores)["EbsInfo"]["EbsOptimizedInfo"] for cores in (8, 16))
    config = stack_files.project()["config"]
    mibps = sum(config[f"{volume}_volume_throughput_mibps"]["default"] for volume in ("data", "wal"))
    assert mibps * 1.048576 > default["BaselineThroughputInMBps"]  # otherwise nothing is to be said
    for figure in (f"{mibps} MiB/s", f"{mibps * 1.048576:.0f} MB/s", f"{default['BaselineThroughputInMBps']:g} MB/s"):
        assert figure in text
    assert f"{default['MaximumThroughputInMBps']:,.0f} MB/s" in text
    assert f"{larger['BaselineThroughputInMBps']:g} MB/s" in text


@pytest.mark.parametrize(
    ("cores", "memory_mib", "architecture", "expected"),
    [
        (8, 32768, "x86_64", "m7a.2xlarge"),
        (8, 65536, "x86_64", "r7a.2xlarge"),
        (8, 32768, "aarch64", "m7g.2xlarge"),
        (8, 65536, "aarch64", "r7g.2xlarge"),
        (2, 8192, "aarch64", "m7g.large"),
        (64, 262144, "x86_64", "m7a.16xlarge"),
        (8, 16384, "x86_64", None),
        (8, 32769, "x86_64", None),
        (3, 12288, "x86_64", None),
        (8, 32768, "riscv64", None),
    ],
)
def test_a_size_has_exactly_one_type_or_none(
    cores: int, memory_mib: int, architecture: str, expected: str | None
) -> None:
    assert instance_type(cores, memory_mib, architecture) == expected


def test_the_possible_sizes_are_told() -> None:
    assert choices("aarch64") == "2, 4, 8, 16, 32, 48, 64 cores with 4 or 8 GiB of memory for each"

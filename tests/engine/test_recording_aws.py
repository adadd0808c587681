"""The recording provider refuses what AWS would refuse and what it was not told about, and sees each change."""

import asyncio

import pytest
from pulumi.provider.experimental import provider as p
from pulumi.provider.experimental.property_value import PropertyValue
from recording_aws import RecordingAws, wrap

VOLUME = "urn:pulumi:staging::freelance-platform::freelance:compute:Host$aws:ebs/volume:Volume::db1-data"
UNKNOWN_TYPE = VOLUME.replace("aws:ebs/volume:Volume", "aws:rds/instance:Instance")
Plain = dict[str, object]


@pytest.fixture(params=["eu-central-1", "cn-northwest-1"])
def region(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def provider(region: str) -> RecordingAws:
    """A provider that is configured for a region."""
    provider = RecordingAws()
    request = p.ConfigureRequest({}, {"region": wrap(region)}, accept_secrets=True, accept_resources=True)
    asyncio.run(provider.configure(request))
    return provider


def wrapped(values: Plain) -> dict[str, PropertyValue]:
    return {key: wrap(value) for key, value in values.items()}


def diff(provider: RecordingAws, old: Plain, new: Plain) -> p.DiffResponse:
    created = asyncio.run(provider.create(p.CreateRequest(VOLUME, wrapped(old), 0, preview=False)))
    assert created.resource_id
    request = p.DiffRequest(VOLUME, created.resource_id, created.properties, wrapped(new), [])
    return asyncio.run(provider.diff(request))


def test_a_type_that_nobody_announced_is_refused(provider: RecordingAws) -> None:
    with pytest.raises(ValueError, match="aws:rds/instance:Instance"):
        asyncio.run(provider.check(p.CheckRequest(UNKNOWN_TYPE, {}, {}, b"")))


def test_a_lookup_that_nobody_announced_is_refused(provider: RecordingAws) -> None:
    answer = asyncio.run(provider.invoke(p.InvokeRequest("aws:rds/getInstance:getInstance", {})))
    assert "aws:rds/getInstance:getInstance" in answer.failures[0].reason


def test_only_the_regions_own_zones_are_there(provider: RecordingAws, region: str) -> None:
    for zone, refused in ((f"{region}a", False), (f"{region}z", True), ("us-east-1a", True)):
        answer = asyncio.run(provider.check(p.CheckRequest(VOLUME, {}, wrapped({"availabilityZone": zone}), b"")))
        assert bool(answer.failures) is refused, zone


def test_arns_and_lookups_are_of_the_regions_partition(provider: RecordingAws, region: str) -> None:
    partition = "aws-cn" if region.startswith("cn-") else "aws"
    answer = asyncio.run(provider.invoke(p.InvokeRequest("aws:index/getPartition:getPartition", {})))
    assert (answer.return_value or {})["partition"].value == partition
    created = asyncio.run(provider.create(p.CreateRequest(VOLUME, {}, 0, preview=False)))
    assert str(created.properties["arn"].value).startswith(f"arn:{partition}:ec2:{region}:")


@pytest.mark.parametrize(
    ("old", "new", "kinds", "replaces"),
    [
        ({"size": 1, "type": "gp3"}, {"size": 1, "type": "gp3"}, {}, []),
        ({"size": 1}, {"size": 2}, {"size": "UPDATE"}, []),
        ({"size": 1, "iops": 3000}, {"size": 1}, {"iops": "DELETE"}, []),
        ({"tags": {"A": "1", "B": "2"}}, {"tags": {"A": "1"}}, {"tags": "UPDATE"}, []),
        ({"availabilityZone": "a"}, {}, {"availabilityZone": "DELETE_REPLACE"}, ["availabilityZone"]),
    ],
    ids=["the same", "changed", "removed", "removed within", "removed, and can't be in place"],
)
def test_each_change_of_an_input_is_seen(
    provider: RecordingAws, old: Plain, new: Plain, kinds: dict[str, str], replaces: list[str]
) -> None:
    found = diff(provider, old, new)
    assert found.changes is bool(kinds)
    assert {key: one.kind.name for key, one in (found.detailed_diff or {}).items()} == kinds
    assert found.replaces == replaces


def test_what_is_made_again_gets_another_id(provider: RecordingAws) -> None:
    ids = [asyncio.run(provider.create(p.CreateRequest(VOLUME, {}, 0, preview=False))).resource_id for _ in range(2)]
    assert len(set(ids)) == 2

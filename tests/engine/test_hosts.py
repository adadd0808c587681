"""What happens to hosts and volumes on the real engine: each test goes on from the one before it.

AWS is played by the recording provider, which terminates no instance that is protected from it, as AWS would.
"""

from typing import Any

import pytest
from engine_workspace import Engine

INSTANCE, VOLUME = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume"
OTHER_IMAGE, LATER_IMAGE = "ami-0aaaaaaaaaaaaaaaa", "ami-0bbbbbbbbbbbbbbbb"
UP = ("up", "--yes", "--skip-preview")


def of_hosts(engine: Engine, since: int) -> list[tuple[str, str]]:
    """Return what was changed of hosts and volumes, alarms left out."""
    kinds = ("aws:ec2/instance:", "aws:ebs/", "aws:ec2/volumeAttachment:")
    return [(line["operation"], line["name"]) for line in engine.journal()[since:] if line["type"].startswith(kinds)]


def resource(engine: Engine, name: str, kind: str) -> dict[str, Any]:
    (found,) = [one for one in engine.state() if one["type"] == kind and one["urn"].endswith(f"::{name}")]
    return found


def images(engine: Engine) -> dict[str, str]:
    return {
        one["urn"].rsplit("::", 1)[-1].removesuffix("-instance"): one["outputs"]["ami"]
        for one in engine.state()
        if one["type"] == INSTANCE
    }


def test_another_answer_about_the_image_changes_no_host_that_there_is(engine: Engine) -> None:
    engine.up()
    before = len(engine.journal())
    engine.run(*UP, "--expect-no-changes", settings={"image_id": OTHER_IMAGE})
    assert engine.journal()[before:] == []
    assert OTHER_IMAGE not in images(engine).values()


def test_a_new_host_has_the_new_image_and_the_others_keep_theirs(engine: Engine) -> None:
    engine.up(image_id=OTHER_IMAGE, database_hosts=4)
    found = images(engine)
    assert found.pop("db4") == OTHER_IMAGE
    assert OTHER_IMAGE not in found.values()


def test_volumes_grow_in_place_while_their_hosts_run(engine: Engine) -> None:
    before = len(engine.journal())
    engine.up(database_hosts=4, data_volume_gib=600, data_volume_iops=8000)
    assert sorted(of_hosts(engine, before)) == [("update", f"db{number}-data") for number in range(1, 5)]
    for host in engine.contract()["clusters"]["main"]["hosts"]:
        assert [volume["size_gib"] for volume in host["volumes"] if volume["purpose"] == "data"] == [600]


def test_a_volume_that_would_shrink_is_refused_before_anything_is_changed(engine: Engine) -> None:
    before = len(engine.journal())
    refused = engine.run(*UP, settings={"database_hosts": 4, "data_volume_gib": 500}, check=False)
    assert refused.returncode != 0
    assert "db1's has 600 GiB and XFS can't shrink, so 500 GiB is refused" in refused.stdout + refused.stderr
    assert engine.journal()[before:] == []


@pytest.mark.parametrize("command", [UP, ("preview",)], ids=" ".join)
def test_a_host_that_is_not_marked_is_not_replaced(engine: Engine, command: tuple[str, ...]) -> None:
    before = len(engine.journal())
    urn = resource(engine, "db2-instance", INSTANCE)["urn"]
    settings = {"database_hosts": 4, "data_volume_gib": 600, "data_volume_iops": 8000}
    refused = engine.run(*command, "--replace", urn, settings=settings, check=False)
    assert refused.returncode != 0
    assert "currently marked for protection" in refused.stdout + refused.stderr
    assert engine.journal()[before:] == []


def test_marking_a_host_lifts_its_own_protections_alone(engine: Engine) -> None:
    before = len(engine.journal())
    engine.up(
        database_hosts=4, data_volume_gib=600, data_volume_iops=8000, image_id=LATER_IMAGE, replacing_hosts=["db2"]
    )
    assert of_hosts(engine, before) == [("update", "db2-instance")]
    for host, guarded in (("db1", True), ("db2", False)):
        instance = resource(engine, f"{host}-instance", INSTANCE)
        assert bool(instance.get("protect")) is guarded
        assert instance["outputs"]["disableApiTermination"] is guarded
        assert instance["outputs"]["disableApiStop"] is guarded
        assert resource(engine, f"{host}-data", VOLUME)["protect"]


def test_a_marked_host_is_replaced_with_its_address_and_volumes_and_the_newest_image(engine: Engine) -> None:
    before, contract = len(engine.journal()), engine.contract()
    volumes = {purpose: resource(engine, f"db2-{purpose}", VOLUME)["id"] for purpose in ("data", "wal", "etcd")}
    engine.run(*UP, "--replace", resource(engine, "db2-instance", INSTANCE)["urn"])
    steps = of_hosts(engine, before)
    assert sorted(steps[:3]) == [("delete", f"db2-{purpose}") for purpose in ("data", "etcd", "wal")]
    assert steps[3:5] == [("delete", "db2-instance"), ("create", "db2-instance")]
    assert sorted(steps[5:]) == [("create", f"db2-{purpose}") for purpose in ("data", "etcd", "wal")]
    assert ("delete", VOLUME) not in {(line["operation"], line["type"]) for line in engine.journal()[before:]}
    assert {purpose: resource(engine, f"db2-{purpose}", VOLUME)["id"] for purpose in volumes} == volumes
    assert images(engine)["db2"] == LATER_IMAGE
    assert engine.contract() == contract


def test_a_host_is_protected_again_once_its_mark_is_gone(engine: Engine) -> None:
    before = len(engine.journal())
    engine.up(database_hosts=4, data_volume_gib=600, data_volume_iops=8000, image_id=LATER_IMAGE)
    assert of_hosts(engine, before) == [("update", "db2-instance")]
    instance = resource(engine, "db2-instance", INSTANCE)
    assert instance["protect"]
    assert instance["outputs"]["disableApiTermination"] is True

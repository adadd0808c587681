"""What happens to hosts and volumes of production in use: each test goes on from the one before it.

AWS is played by the recording provider, which terminates no instance that is protected from it, as AWS would.
"""

from typing import Any

from engine_workspace import Engine, name_of

INSTANCE, VOLUME = "aws:ec2/instance:Instance", "aws:ebs/volume:Volume"
UP = ("up", "--yes", "--skip-preview")
LATER_IMAGE = "ami-0bbbbbbbbbbbbbbbb"
GROWN = {"data_volume_gib": 600, "data_volume_iops": 8000}
MARKED = {**GROWN, "image_id": LATER_IMAGE, "replacing_hosts": ["db2"]}
OF_DB2 = {"database_host_sizes": {"db2": {"cores": 16, "memory_mib": 65536}}}


def of_hosts(engine: Engine, since: int) -> list[tuple[str, str]]:
    """Return what was changed of hosts and volumes, alarms left out."""
    kinds = ("aws:ec2/instance:", "aws:ebs/", "aws:ec2/volumeAttachment:")
    return [(line["operation"], line["name"]) for line in engine.journal(since) if line["type"].startswith(kinds)]


def of_type(engine: Engine, kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of this type in the state, by name."""
    return {name_of(one["urn"]): one for one in engine.state() if one["type"] == kind}


def test_another_size_of_all_hosts_is_refused_before_anything_is_changed(production: Engine) -> None:
    before = len(production.journal())
    for marked in ([], ["db1", "db2", "db3"]):
        settings = {"database_cores": 16, "database_memory_mib": 65536, "replacing_hosts": marked}
        refused = production.run(*UP, settings=settings, check=False)
        assert refused.returncode != 0
        assert "db1, db2, db3 would change from 8 cores with 32768 MiB to 16" in refused.stdout + refused.stderr
    assert production.journal(before) == []


def test_volumes_grow_in_place_while_their_hosts_run(production: Engine) -> None:
    before = len(production.journal())
    production.up(**GROWN)
    assert sorted(of_hosts(production, before)) == [("update", f"db{number}-data") for number in range(1, 4)]
    for host in production.contract()["clusters"]["main"]["hosts"]:
        assert [volume["size_gib"] for volume in host["volumes"] if volume["purpose"] == "data"] == [600]


def test_a_volume_that_would_shrink_is_refused_before_anything_is_changed(production: Engine) -> None:
    before = len(production.journal())
    refused = production.run(*UP, settings={"data_volume_gib": 500}, check=False)
    assert refused.returncode != 0
    assert "db1's has 600 GiB and XFS can't shrink, so 500 GiB is refused" in refused.stdout + refused.stderr
    assert production.journal(before) == []


def test_a_host_that_is_not_marked_is_not_replaced(production: Engine) -> None:
    before = len(production.journal())
    urn = of_type(production, INSTANCE)["db2-instance"]["urn"]
    refused = production.run(*UP, "--replace", urn, settings=GROWN, check=False)
    assert refused.returncode != 0
    assert "currently marked for protection" in refused.stdout + refused.stderr
    assert production.journal(before) == []


def test_marking_a_host_lifts_its_own_protections_alone(production: Engine) -> None:
    before = len(production.journal())
    production.up(**MARKED)
    assert of_hosts(production, before) == [("update", "db2-instance")]
    instances, volumes = of_type(production, INSTANCE), of_type(production, VOLUME)
    for host, guarded in (("db1", True), ("db2", False)):
        instance = instances[f"{host}-instance"]
        assert bool(instance.get("protect")) is guarded
        assert instance["outputs"]["disableApiTermination"] is guarded
        assert instance["outputs"]["disableApiStop"] is guarded
        assert volumes[f"{host}-data"]["protect"]


def test_a_marked_host_gets_its_own_size_in_place(production: Engine) -> None:
    before = len(production.journal())
    production.up(**MARKED, **OF_DB2)
    assert production.changes(before) == [("update", "Instance db2-instance")]
    kinds = {name: one["outputs"]["instanceType"] for name, one in of_type(production, INSTANCE).items()}
    assert (kinds["db1-instance"], kinds["db2-instance"]) == ("m7a.2xlarge", "m7a.4xlarge")
    assert [host["cores"] for host in production.contract()["clusters"]["main"]["hosts"]] == [8, 16, 8]


def test_a_marked_host_is_replaced_with_its_address_and_volumes_and_the_newest_image(production: Engine) -> None:
    before, contract = len(production.journal()), production.contract()
    volumes = {name: one["id"] for name, one in of_type(production, VOLUME).items()}
    production.run(*UP, "--replace", of_type(production, INSTANCE)["db2-instance"]["urn"])
    steps = of_hosts(production, before)
    assert sorted(steps[:3]) == [("delete", f"db2-{purpose}") for purpose in ("data", "etcd", "wal")]
    assert steps[3:5] == [("delete", "db2-instance"), ("create", "db2-instance")]
    assert sorted(steps[5:]) == [("create", f"db2-{purpose}") for purpose in ("data", "etcd", "wal")]
    assert ("delete", VOLUME) not in {(line["operation"], line["type"]) for line in production.journal(before)}
    assert {name: one["id"] for name, one in of_type(production, VOLUME).items()} == volumes
    images = {name: one["outputs"]["ami"] for name, one in of_type(production, INSTANCE).items()}
    assert [name for name, image in images.items() if image == LATER_IMAGE] == ["db2-instance"]
    assert production.contract() == contract


def test_a_host_is_protected_again_once_its_mark_is_gone(production: Engine) -> None:
    before = len(production.journal())
    production.up(**{**MARKED, **OF_DB2, "replacing_hosts": []})
    assert of_hosts(production, before) == [("update", "db2-instance")]
    instance = of_type(production, INSTANCE)["db2-instance"]
    assert instance["protect"]
    assert instance["outputs"]["disableApiTermination"] is True

"""Hosts of another size on the real engine: each test goes on from the one before it."""

from engine_workspace import Engine

INSTANCE = "aws:ec2/instance:Instance"
LARGE = {"cores": 16, "memory_mib": 65536}
MARKED = {"replacing_hosts": ["db2"]}
UP = ("up", "--yes", "--skip-preview")


def test_another_size_of_all_hosts_is_refused_before_anything_is_changed(engine: Engine) -> None:
    engine.up()
    before = len(engine.journal())
    for marked in ([], ["db1", "db2", "db3"]):
        settings = {"database_cores": 16, "database_memory_mib": 65536, "replacing_hosts": marked}
        refused = engine.run(*UP, settings=settings, check=False)
        assert refused.returncode != 0
        assert "db1, db2, db3 would change from 8 cores with 32768 MiB to 16" in refused.stdout + refused.stderr
    assert engine.journal()[before:] == []


def test_one_marked_host_gets_its_own_size_in_place(engine: Engine) -> None:
    engine.up(**MARKED)
    before = len(engine.journal())
    engine.up(**MARKED, database_host_sizes={"db2": LARGE})
    steps = engine.journal()[before:]
    assert [(step["operation"], step["name"]) for step in steps] == [("update", "db2-instance")]
    kinds = {one["urn"].rsplit("::", 1)[-1]: one["outputs"] for one in engine.state() if one["type"] == INSTANCE}
    assert (kinds["db1-instance"]["instanceType"], kinds["db2-instance"]["instanceType"]) == (
        "m7a.2xlarge",
        "m7a.4xlarge",
    )
    cores = [host["cores"] for host in engine.contract()["clusters"]["main"]["hosts"]]
    assert cores == [8, 16, 8]


def test_a_size_that_is_no_object_is_refused(engine: Engine) -> None:
    before = len(engine.journal())
    refused = engine.run(*UP, settings={"database_host_sizes": ["db2"]}, check=False)
    assert refused.returncode != 0
    assert "database_host_sizes" in refused.stdout + refused.stderr
    assert engine.journal()[before:] == []

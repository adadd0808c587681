"""A volume that exists is taken into the state below its host, before the host is: docs/aws.md, section 10."""

import json

from engine_workspace import Engine, name_of

STACK = "staging"
VOLUME, SIZE_GIB = "vol-0123456789abcdef0", 100


def test_a_volume_is_taken_in_by_the_file_that_a_preview_wrote(engine: Engine) -> None:
    elsewhere, file = (engine.home / name for name in ("elsewhere.json", "import.json"))
    elsewhere.write_text(json.dumps({VOLUME: {"availabilityZone": "eu-central-1a", "size": SIZE_GIB}}))
    engine.environment["RECORDING_AWS_ELSEWHERE"] = str(elsewhere)
    engine.run("preview", "--import-file", str(file))
    wanted = json.loads(file.read_text(encoding="utf-8"))
    # Where several resources have one name, the file has names of its own and the stack's as `logicalName`.
    named = {(one["type"], one.get("logicalName", one["name"])): one for one in wanted["resources"]}
    host, volume = named["freelance:compute:Host", "db1"], named["aws:ebs/volume:Volume", "db1-data"]
    assert (host["component"], volume["parent"], volume["id"]) == (True, host["name"], "<PLACEHOLDER>")
    file.write_text(json.dumps({**wanted, "resources": [host, {**volume, "id": VOLUME}]}), encoding="utf-8")
    engine.run("import", "--yes", "--skip-preview", "--generate-code=false", "--file", str(file))
    assert engine.run("up", "--yes", "--skip-preview").returncode == 0
    assert [what for what, name in engine.changes(0) if name == "Volume db1-data"] == ["update"]
    ids = {name_of(one["urn"]): one["id"] for one in engine.state() if one["type"] == "aws:ebs/volume:Volume"}
    assert ids["db1-data"] == VOLUME

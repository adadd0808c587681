"""A stack from before resources got their present names: each is found again, and none is made anew."""

import json

from engine_workspace import Engine

# Present part of a URN: the one in older states.
FORMER = {
    "freelance:security:EncryptionKeys$aws:kms/key:Key::encryption-data": (
        "freelance:security:EncryptionKey$aws:kms/key:Key::encryption-key"
    ),
    "freelance:security:EncryptionKeys::encryption": "freelance:security:EncryptionKey::encryption",
    "aws:s3/bucketPolicy:BucketPolicy::backup-policy": "aws:s3/bucketPolicy:BucketPolicy::backup-tls-only",
}


def test_what_was_renamed_is_kept(engine: Engine) -> None:
    engine.up()
    text = engine.run("stack", "export").stdout
    for present, former in FORMER.items():
        assert present in text, present
        text = text.replace(present, former)
    text = text.replace('"type": "freelance:security:EncryptionKeys"', '"type": "freelance:security:EncryptionKey"')
    # What else belongs to the component was not there yet.
    exported = json.loads(text)
    resources = exported["deployment"]["resources"]
    component = next(r["urn"] for r in resources if r["urn"].endswith("EncryptionKey::encryption"))
    for resource in resources:
        if resource.get("parent", "").endswith("EncryptionKeys::encryption"):
            resource["parent"] = component
    file = engine.home / "older.json"
    file.write_text(json.dumps(exported), encoding="utf-8")
    engine.run("stack", "import", "--file", str(file), "--force")

    before = len(engine.journal())
    engine.run("up", "--yes", "--skip-preview")
    made_anew = [line for line in engine.journal()[before:] if line["operation"] != "update"]
    assert made_anew == []
    urns = json.dumps([resource["urn"] for resource in engine.state()])
    assert all(present in urns and former not in urns for present, former in FORMER.items())

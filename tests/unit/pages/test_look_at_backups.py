"""What a host tells of backups: of each repository that answers, the dumps too."""

import json
from pathlib import Path
from typing import Any

import pytest
from platform_pages import look_at_backups

UP, DOWN = {"code": 0, "message": "ok"}, {"code": 99, "message": "host is down"}
FILES = {"globals_20261129_020000.sql.gz": {"type": "file", "size": 5, "time": 7}}


def test_the_dumps_of_each_repository_that_answers_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = [{"repo": [{"key": 1, "status": UP}, {"key": 2, "status": DOWN}, {"key": 3, "status": UP}]}]

    def answer(*argv: str) -> tuple[int, str]:
        if argv[-1] == "info":
            return 0, json.dumps(info)
        assert argv[-2:] == ("repo-ls", "freelance-dumps/main")
        assert "--repo=2" not in argv
        return (1, "no answer") if "--repo=3" in argv else (0, json.dumps(FILES))

    monkeypatch.setattr(look_at_backups, "as_postgres", answer)
    (tmp_path / "drill.since").touch()
    monkeypatch.setattr(look_at_backups, "CRONTAB", tmp_path / "drill.since")
    told = ["db1", "main", str(tmp_path), str(tmp_path / "none")]
    seen: dict[str, Any] = look_at_backups.main(*told, "dump", "drill")
    assert (seen["shipped"], seen["dumps"], seen["error"]) == ({"1": FILES}, [], "")
    assert seen["drill_since"] == seen["jobs_since"] == (tmp_path / "drill.since").stat().st_mtime
    assert json.loads(json.dumps(seen))["jobs"] == ["dump", "drill"]
    monkeypatch.setattr(look_at_backups, "CRONTAB", tmp_path / "none")
    assert look_at_backups.main(*told)["jobs_since"] is None

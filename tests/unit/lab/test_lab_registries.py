"""A package archive or index that is down: tried again, then a clear error that says what to do."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from lab import environment, packages
from lab.errors import LabError
from lab.paths import ROOT


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The mark that says whose apt-cacher-ng it is, and nothing of the machine touched."""
    monkeypatch.setattr(packages, "SERVICE_MARK", tmp_path / "cache" / "mark")
    monkeypatch.setattr(packages, "as_root", list)
    monkeypatch.setattr("lab.packages.shutil.which", lambda name: f"/usr/bin/{name}")
    return tmp_path / "cache" / "mark"


def answering(monkeypatch: pytest.MonkeyPatch, installed: list[str], *, status: int = 0) -> list[list[str]]:
    """These packages are installed; apt ends with this status. The list fills with what was run."""
    calls: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(argv)
        known = "".join(f"{name} installed\n" for name in installed)
        return subprocess.CompletedProcess(argv, status if "apt-get" in argv else 0, known, "Could not connect")

    monkeypatch.setattr(packages, "run", run)
    return calls


@pytest.mark.usefixtures("mark")
def test_a_machine_with_every_package_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, list(packages.PACKAGES))
    assert packages.ensure() == []
    assert [call[0] for call in calls] == ["dpkg-query"]


def test_the_cache_service_that_came_with_our_package_is_turned_off(
    monkeypatch: pytest.MonkeyPatch, mark: Path
) -> None:
    calls = answering(monkeypatch, [name for name in packages.PACKAGES if name != "apt-cacher-ng"])
    assert packages.ensure() == ["apt-cacher-ng"]
    assert calls[-1][:2] == ["systemctl", "disable"]
    assert not mark.exists()


def test_the_service_is_turned_off_also_when_the_run_that_installed_it_was_killed(
    monkeypatch: pytest.MonkeyPatch, mark: Path
) -> None:
    def killed(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        if "install" in argv:
            raise KeyboardInterrupt
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(packages, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        packages.ensure()
    calls = answering(monkeypatch, list(packages.PACKAGES))
    assert packages.ensure() == []
    assert [call[:2] for call in calls[1:]] == [["systemctl", "disable"]]
    assert not mark.exists()


@pytest.mark.usefixtures("mark")
def test_an_archive_that_is_down_is_tried_again_and_then_named(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, [], status=100)
    with pytest.raises(LabError, match=r"(?s)podman.*after 3 tries.*Could not connect.*`make up` goes on"):
        packages.ensure()
    assert all({"Acquire::Retries=3", "DPkg::Lock::Timeout=300"} <= set(call) for call in calls if "apt-get" in call)


@pytest.mark.usefixtures("mark")
def test_what_tests_play_is_installed_for_them_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, ["default-jdk-headless"])
    assert packages.ensure(packages.TEST_PACKAGES) == ["libpostgresql-jdbc-java"]
    assert [call[-1] for call in calls if "install" in call] == ["libpostgresql-jdbc-java"]
    assert not set(packages.TEST_PACKAGES) & set(packages.PACKAGES)


def own_folders(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the environment be made in here."""
    monkeypatch.setattr(environment, "CACHE", folder / "cache")
    monkeypatch.setattr(environment, "LOCK", folder / "cache" / "lock")
    monkeypatch.setattr(environment, "VENV", folder / "venv")
    monkeypatch.setattr(environment, "STAMP", folder / "venv" / ".requirements")
    monkeypatch.setattr(environment, "MADE", folder / "venv" / ".made")


def making(monkeypatch: pytest.MonkeyPatch, *, pip_works: bool = True) -> list[Path]:
    """`python -m venv` makes an interpreter and no more; the list fills with what it made."""
    made: list[Path] = []

    def run(argv: list[Any], **_: Any) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in argv]
        if words[1:3] == ["-m", "venv"]:
            folder = Path(words[3])
            (folder / "bin").mkdir(parents=True)
            (folder / "bin" / "python").touch()
            made.append(folder)
        return subprocess.CompletedProcess(argv, 0 if pip_works else 1, "", "")

    monkeypatch.setattr(environment, "run", run)
    monkeypatch.setattr(environment, "_install", lambda: None)
    return made


def test_an_environment_whose_making_was_killed_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own_folders(monkeypatch, tmp_path)
    made = making(monkeypatch)
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").touch()
    assert environment.ensure() is True
    assert made == [tmp_path / "venv"]
    assert environment.ensure() is False


@pytest.mark.parametrize("pip_works", [True, False])
def test_other_requirements_keep_an_environment_that_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pip_works: bool
) -> None:
    own_folders(monkeypatch, tmp_path)
    made = making(monkeypatch, pip_works=pip_works)
    environment.ensure()
    (tmp_path / "venv" / ".requirements").write_text("of an older commit\n")
    assert environment.ensure() is True
    assert len(made) == (1 if pip_works else 2)


def test_a_uv_whose_installation_was_broken_off_is_installed_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own_folders(monkeypatch, tmp_path)
    installed: list[Path] = []

    def run(argv: list[Any], **_: Any) -> subprocess.CompletedProcess[str]:
        if "uv==" in str(argv[-1]):
            folder = Path(argv[0]).parents[1]
            (folder / "bin").mkdir(parents=True, exist_ok=True)
            (folder / "bin" / "uv").touch()
            installed.append(folder)
            if len(installed) == 1:
                raise KeyboardInterrupt
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(environment, "run", run)
    with pytest.raises(KeyboardInterrupt):
        environment.uv()
    assert environment.uv().exists()
    assert len(installed) == 2
    assert environment.uv().exists()
    assert len(installed) == 2


def test_what_is_installed_is_compiled_but_for_collections_that_nobody_asks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own_folders(monkeypatch, tmp_path)
    (environment.VENV / "bin").mkdir(parents=True)
    (environment.VENV / "bin/python").symlink_to(sys.executable)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment.VENV)}))
    named, other = (f"ansible_collections/{name}/plugins/one.py" for name in ("ansible/posix", "cisco/ios"))
    for name, text in ((named, ""), (other, ""), ("ansible/one.py", ""), ("django/template.py", "{{ no_python }")):
        (packages / name).parent.mkdir(parents=True)
        (packages / name).write_text(text)
    environment._compile()
    compiled = {path.parents[1].relative_to(packages) / "one.py" for path in packages.rglob("*.pyc")}
    assert compiled == {Path(named), Path("ansible/one.py")}


def test_every_collection_that_is_named_anywhere_is_compiled() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kinds = {".yml", ".py", ".cfg", ".j2"}
    paths = [ROOT / name for name in listed.split("\0") if Path(name).suffix in kinds and "/fixtures/" not in name]
    text = "".join(path.read_text("utf-8") for path in paths if path.exists())
    installed = Path(sysconfig.get_path("purelib"), "ansible_collections").glob("*/*/MANIFEST.json")
    collections = {f"{path.parts[-3]}/{path.parts[-2]}/" for path in installed}
    # What Python imports is ansible-core's.
    text = re.sub(r"(from|import) ansible[.]\S+", "", text)
    named = {one for one in collections if one.replace("/", ".") in text}
    assert named == set(environment.COLLECTIONS)


def test_an_index_that_is_down_is_named_after_uv_and_pip_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(argv: list[Any], **_: Any) -> subprocess.CompletedProcess[str]:
        if "uv==" in str(argv[-1]):
            raise LabError("no route to the index")
        if argv[1:3] == ["-m", "venv"]:
            Path(argv[3]).mkdir(parents=True)
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(environment, "run", run)
    own_folders(monkeypatch, tmp_path)
    monkeypatch.setattr("lab.environment.subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    with pytest.raises(LabError, match=r"pip can't install .*requirements.txt after 3 tries.*`make up` goes on"):
        environment.ensure()
    assert "uv did not do it" in capsys.readouterr().out
    assert not (tmp_path / "venv" / ".requirements").exists()

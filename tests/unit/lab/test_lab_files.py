"""Small files that the lab reads and writes: known_hosts, image recipe, locks, the list of packages."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab import adhoc, image, known_hosts, mirrors, packages, stack
from lab.errors import LabError


def test_a_host_that_was_made_again_has_one_key(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    known_hosts.write(file, "10.99.0.11", "ssh-ed25519 old")
    known_hosts.write(file, "10.99.0.1", "ssh-ed25519 other")
    known_hosts.write(file, "10.99.0.11", "ssh-ed25519 new")
    assert file.read_text() == "10.99.0.1 ssh-ed25519 other\n10.99.0.11 ssh-ed25519 new\n"
    known_hosts.forget(file, "10.99.0.11")
    assert known_hosts.key_of(file, "10.99.0.11") is None
    assert known_hosts.key_of(file, "10.99.0.1") == "ssh-ed25519 other"


def test_the_images_hash_follows_its_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(image, "RECIPE", tmp_path)
    (tmp_path / "platform_packages.txt").write_text("one\n")
    (tmp_path / "customize.sh").write_text("")
    host, layer = image.recipe_hash(), image.recipe_hash(packages=True)
    (tmp_path / "platform_packages.txt").write_text("two\n")
    assert image.recipe_hash() == host
    assert image.recipe_hash(packages=True) != layer
    (tmp_path / "customize.sh").chmod(0o755)
    assert image.recipe_hash() != host


def test_an_https_mirror_goes_through_the_cache() -> None:
    assert mirrors.through_cache("https://mirror.example/debian/") == "http://HTTPS///mirror.example/debian/"
    assert mirrors.through_cache("http://mirror.example/debian/") == "http://mirror.example/debian/"


def test_a_file_with_mirrors_which_hosts_lack_gives_its_first_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listing = tmp_path / "debian.list"
    listing.write_text("# nearest first\n\nhttps://mirror.example/debian\tpriority:1\nhttp://other.example/debian\n")
    answer = f"mirror+file:{listing}/ trixie Debian Debian\nmirror+file://{listing} trixie Debian Debian-Security\n"
    monkeypatch.setattr(mirrors, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, answer, ""))
    assert mirrors.debian_sources() == [
        "deb http://HTTPS///mirror.example/debian/ trixie main",
        "deb http://HTTPS///mirror.example/debian/ trixie-updates main",
        "deb http://HTTPS///mirror.example/debian/ trixie-security main",
    ]


@pytest.mark.parametrize("content", [None, "", "# nothing\nftp://mirror.example/debian\n"])
def test_a_file_without_a_usable_mirror_is_named(tmp_path: Path, content: str | None) -> None:
    listing = tmp_path / "debian.list"
    if content is not None:
        listing.write_text(content)
    with pytest.raises(LabError, match=str(listing)):
        mirrors.first_mirror(f"mirror+file:{listing}")


def test_old_images_and_left_parts_go_and_another_builds_part_stays(tmp_path: Path) -> None:
    mine = tmp_path / f"trixie-aaaa.{os.getpid()}.part"
    left = tmp_path / "trixie-aaaa.4194305.part"
    for at, name in enumerate(("old", "a", "b", "c")):
        for file in (tmp_path / f"{name}.tar", tmp_path / f"{name}.list"):
            file.touch()
            os.utime(file, (at, at))
    mine.touch()
    left.touch()
    os.utime(mine, (0, 0))  # older than any image: the age says nothing
    image.tidy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [mine.name, *(f"{name}.{kind}" for name in "abc" for kind in ("tar", "list"))]
    )


def test_every_package_list_is_sorted_and_has_no_doubles() -> None:
    for names in (list(packages.PACKAGES), image.names("host_packages.txt"), image.names("platform_packages.txt")):
        assert names == sorted(set(names))


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"pid": 4_194_305})])
def test_a_lock_whose_process_is_gone_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(stack, "BACKEND", tmp_path / "state")
    monkeypatch.setattr(stack, "_pulumi", lambda *words: calls.append(words))
    assert stack.clear_stale_lock() is False
    folder = tmp_path / "state/.pulumi/locks/organization/freelance-platform/lab"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text(content)
    assert stack.clear_stale_lock() is True
    assert calls == [("cancel", "--yes", "--stack", "lab")]


def test_a_lock_of_another_program_with_the_same_id_is_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stack, "BACKEND", tmp_path / "state")
    monkeypatch.setattr(stack, "_pulumi", lambda *_: None)
    folder = tmp_path / "state/.pulumi/locks/organization/freelance-platform/lab"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text(json.dumps({"pid": os.getppid()}))
    assert stack.clear_stale_lock() is True


def test_a_missing_contract_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stack, "CONTRACT", tmp_path / "contract.json")
    with pytest.raises(LabError, match="run `make up`"):
        stack.hosts()


@pytest.mark.parametrize("platform", [{}, {"name": "a", "volumes": ["x"]}, {"name": "a", "image": "b"}])
def test_a_platform_that_says_too_little_is_refused(platform: dict[str, object]) -> None:
    with pytest.raises(LabError):
        adhoc.Wish.parse(platform)

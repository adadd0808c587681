"""What fails on the way, by a migration or a registry that is down: nothing is lost, and the next run goes on."""

import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.host import clients
from tests.host.environment import ROOT, Environment
from tests.proofs.tools import SITE, Snapshot, differences, play, script

# Of a migration tests/app has the shorter proof, on a host of its own.
pytestmark = pytest.mark.long

RELEASES = "/opt/freelance-platform/releases/"
CURRENT = "readlink -f /opt/freelance-platform/current"
# Nobody listens there.
CLOSED = "127.0.0.1:9"
MIGRATION = '''"""The first half works, the second can't. A release of its own for each run of the proof: {run}."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "{after}")]
    operations = [
        migrations.RunSQL("create table proof_half (id bigint primary key)", migrations.RunSQL.noop),
        migrations.RunSQL("select 1 / 0", migrations.RunSQL.noop),
    ]
'''


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """A copy of the application that may be altered."""
    copy = tmp_path / "app"
    shutil.copytree(ROOT / "files/app", copy, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    return copy


def test_a_migration_that_fails_half_way_leaves_the_release_in_use(
    lab: Environment,
    on: Callable[[str, str], str],
    card: dict[str, object],
    application: Path,
    snapshot: Snapshot,
) -> None:
    host = lab.hosts("database")[0]
    folder = application / "apps/accounts/migrations"
    newest = sorted(path.stem for path in folder.glob("0*.py"))[-1]
    (folder / "0099_proof_half_way.py").write_text(MIGRATION.format(after=newest, run=uuid.uuid4()), encoding="utf-8")
    before, release = snapshot(), on(host, CURRENT)

    run = play(SITE, "--tags", "schema_migrations", "-e", f"schema_migrations_app_dir={application}")

    assert run.code != 0
    assert "accounts.0099_proof_half_way failed" in run.text, run.output[-3000:]
    assert "division by zero" in run.text
    assert "the one in use before stays in use" in run.text
    assert "Mend the migration or what it found, then run the same command again" in run.text
    after = snapshot()
    # All that is left is the release that nobody uses: the next try of the same one need not ship it again.
    left = "\n".join(line for lines in differences(before, after).values() for line in lines)
    releases = set(re.findall(f"{RELEASES}([^/ ]+)", left))
    assert differences(before, after, RELEASES) == {}
    assert len(releases) == 1
    assert not release.endswith(releases.pop())
    with clients.connect(card, "pooled") as connection:
        assert connection.execute("select count(*) from accounts_skill").fetchone() is not None

    # Mended: the same command goes on.
    again = play(SITE, "--tags", "schema_migrations")
    assert again.code == 0, again.output[-3000:]
    assert on(host, CURRENT) == release
    manage = f"cd {release}/app; runuser -u freelance -- ../venv/bin/python manage.py check --database default"
    assert "no issues" in on(host, f"{manage} 2>&1")


def test_a_package_index_that_is_down_is_a_clear_error_after_retries(
    application: Path, unchanged: Callable[[], None]
) -> None:
    """Another list of requirements, so that its wheels have to be fetched."""
    requirements = application / "requirements.txt"
    requirements.write_text(requirements.read_text(encoding="utf-8") + "# another wheelhouse\n", encoding="utf-8")
    down = {"PIP_INDEX_URL": f"http://{CLOSED}/simple", "PIP_CONFIG_FILE": "/dev/null", "PIP_EXTRA_INDEX_URL": ""}
    changes = {"schema_migrations_app_dir": application, "schema_migrations_download_pause_seconds": 1}
    extra = [word for name, value in changes.items() for word in ("-e", f"{name}={value}")]
    run = play(SITE, "--tags", "schema_migrations", *extra, **down)
    assert run.code != 0
    assert "could not download the application's wheels in 3 attempts" in run.text, run.output[-3000:]
    assert "Check that the package index answers (python3 -m pip config list), then run the playbook again" in run.text
    assert run.changed == []
    unchanged()


@pytest.fixture
def missing_package(lab: Environment) -> Iterator[str]:
    """A host that lacks a package and can't fetch it: its proxy is dead."""
    host, dead = lab.hosts("services")[0], "/etc/apt/apt.conf.d/zz-dead-proxy"
    # No copy of the package may lie on the host; its list of packages must count as fresh, as it does on a usual day.
    script(
        lab,
        host,
        f"apt-get clean; dpkg --remove xfsprogs; echo 'Acquire::http::Proxy \"http://{CLOSED}\";' > {dead}",
    )
    yield host
    script(lab, host, f"rm -f {dead}; apt-get install --quiet --yes xfsprogs")


def test_apt_that_is_down_is_a_clear_error_after_retries_and_the_next_run_goes_on(
    lab: Environment, snapshot: Snapshot, missing_package: str
) -> None:
    before = snapshot()
    run = play(SITE, "--tags", "data_volume")
    assert run.code != 0
    assert run.changed == []
    assert differences(before, snapshot()) == {}
    retries = r"FAILED - RETRYING: \[{}\]: Install \| Install the XFS programs \((\d) retries left\)"
    retried = re.findall(retries.format(missing_package), run.text)
    assert retried == ["2", "1"], run.output[-3000:]
    assert f"{missing_package}: xfsprogs could not be installed, tried three times" in run.text
    assert "See whether `apt-get update` succeeds on the host" in run.text
    assert CLOSED.replace(":", " ") in run.text.replace(":", " "), "the address that did not answer is not named"

    script(lab, missing_package, "rm /etc/apt/apt.conf.d/zz-dead-proxy")
    again = play(SITE, "--tags", "data_volume")
    assert again.code == 0, again.output[-3000:]
    assert {host for host, _ in again.changed} == {missing_package}
    assert script(lab, missing_package, "command -v xfs_growfs")

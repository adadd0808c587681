"""The role on a real host: a migration that fails half-way, the way on from there, and how many releases stay."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import keyring
import pytest
from server import NAME, Server

REPOSITORY = Path(__file__).resolve().parents[2]
ROOT = "/opt/freelance-platform"
MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "{after}")]
    operations = [
        migrations.RunSQL("CREATE TABLE payments_half (id int)", "DROP TABLE payments_half"),
        migrations.RunSQL("{statement}", migrations.RunSQL.noop),
    ]
"""
PLAY: dict[str, Any] = {"hosts": "all", "become": True, "gather_facts": False, "roles": ["schema_migrations"]}


class Deployment:
    """The role with a copy of the application that may be changed."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.app = folder / "app"
        shutil.copytree(REPOSITORY / "files/app", self.app, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        key, known_hosts = REPOSITORY / ".lab/ssh/id_ed25519", REPOSITORY / ".lab/ssh/known_hosts"
        variables = {
            "ansible_host": server.address,
            "ansible_user": "ansible",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known_hosts}",
            "schema_migrations_app_dir": str(self.app),
            "schema_migrations_cache_dir": str(REPOSITORY / ".lab/cache/application"),
            "schema_migrations_database": "freelance_scratch",
            "schema_migrations_releases_keep": 2,
            "schema_migrations_pooled_name": "pooled.test",
            "schema_migrations_pooled_endpoints": [f"{server.address}:5432"],
            "schema_migrations_direct_name": "direct.test",
            "schema_migrations_direct_endpoints": [f"{server.address}:5432"],
            "schema_migrations_app_password": "test-freelance_user",
            "schema_migrations_migrator_password": "test-freelance_migrator",
            "schema_migrations_superuser_password": "never-shown-anywhere",
            "schema_migrations_django_secret_key": "a-secret-key-for-tests",
            "schema_migrations_field_encryption_keys": keyring.key("encryption", 1),
            "schema_migrations_blind_index_keys": keyring.key("blind_index", 1),
        }
        self.inventory = folder / "inventory.json"
        self.hosts: dict[str, dict[str, Any]] = {NAME: variables}
        self.inventory.write_text(json.dumps({"all": {"hosts": self.hosts}}))
        self.playbook = folder / "play.yml"
        self.playbook.write_text(json.dumps([PLAY]))

    def beside_one_that_deploys(self) -> None:
        """Give the host the code alone, in a play with another one, which is only said to deploy."""
        alone = {"schema_migrations_deploys": False, "schema_migrations_env_file": "/etc/code-alone/app.env"}
        self.hosts[NAME] |= alone
        self.hosts["deploys"] = {"ansible_connection": "local", "schema_migrations_deploys": True}
        self.inventory.write_text(json.dumps({"all": {"hosts": self.hosts}}))
        only_here = [{"role": "schema_migrations", "when": f"inventory_hostname == '{NAME}'"}]
        self.playbook.write_text(json.dumps([PLAY | {"roles": only_here}]))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Play the role and return what the operator sees."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DB_", "DJANGO_"))}
        environment |= {"ANSIBLE_INVENTORY_ENABLED": "yaml", "ANSIBLE_ROLES_PATH": str(REPOSITORY / "roles")}
        environment |= {"ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(
            ["ansible-playbook", "-i", str(self.inventory), str(self.playbook), *words], cwd=REPOSITORY,
            env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    def current(self) -> str:
        return self.server.run("readlink", f"{ROOT}/current").strip()

    def releases(self) -> list[str]:
        return self.server.run("ls", f"{ROOT}/releases").split()


@pytest.fixture
def deployment(server: Server, tmp_path: Path) -> Deployment:
    users = "useradd --system --uid 824 -U freelance; useradd --system --uid 825 -U -G freelance freelance-owner"
    server.run("bash", "-s", script=f"id freelance-owner || {{ {users}; }}")
    server.run("rm", "-rf", ROOT)
    return Deployment(server, tmp_path)


@pytest.mark.usefixtures("deployed")
def test_a_release_that_cannot_be_migrated_is_not_used_and_the_next_one_goes_on(deployment: Deployment) -> None:
    first = deployment.run()
    assert first.returncode == 0, first.stdout
    in_use = deployment.current()

    folder = deployment.app / "apps/payments/migrations"
    newest = max(path.stem for path in folder.glob("0*.py"))
    later = folder / "0999_half.py"
    later.write_text(MIGRATION.format(after=newest, statement="SELECT 1 / 0"))
    plan = deployment.run("--check")
    assert plan.returncode == 0, plan.stdout
    assert "payments.0999_half" in plan.stdout
    assert "changed=1" in plan.stdout

    broken = deployment.run()
    assert broken.returncode != 0
    assert "Migration payments.0999_half failed (attempt 1): division by zero" in broken.stdout
    assert "the one in use before stays in use" in broken.stdout
    assert "run the same command again: it goes on from there" in " ".join(broken.stdout.split())
    assert "never-shown-anywhere" not in broken.stdout + first.stdout
    assert deployment.current() == in_use
    assert half_made(deployment.server) == ""
    recorded = "SELECT count(*) FROM django_migrations WHERE name = '0999_half'"
    assert deployment.server.sql("freelance_scratch", f"{recorded};") == "0"
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert deployment.server.sql("freelance_scratch", f"{held};") == "0"

    later.write_text(MIGRATION.format(after=newest, statement="SELECT 1"))
    mended = deployment.run()
    assert mended.returncode == 0, mended.stdout
    assert deployment.current() != in_use
    assert half_made(deployment.server) == "payments_half"

    releases = deployment.releases()
    assert len(releases) == 2
    assert Path(in_use).name not in releases
    assert Path(deployment.current()).name in releases

    tampered = f"{deployment.current()}/app/config/settings.py"
    deployment.server.run("sed", "-i", "s/Asia/Europe/", tampered)
    repaired = deployment.run()
    assert repaired.returncode == 0, repaired.stdout
    assert "changed=0" not in repaired.stdout
    assert "Europe" not in deployment.server.run("cat", tampered)


def test_a_host_that_does_not_deploy_gets_the_code_alone_and_uses_it_with_the_one_that_does(
    deployment: Deployment,
) -> None:
    deployment.beside_one_that_deploys()
    limited = deployment.run("--limit", NAME)
    assert limited.returncode == 0, limited.stdout
    assert len(deployment.releases()) == 1
    assert deployment.server.run("find", ROOT, "-name", "current") == ""

    played = deployment.run()
    assert played.returncode == 0, played.stdout
    assert deployment.server.run("find", "/etc/code-alone", "-type", "f") == ""
    given = ["ENV_FILE", "DB_SSLROOTCERT", "DJANGO_SECRET_KEY", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST"]
    check = [f"{deployment.current()}/venv/bin/python", f"{deployment.current()}/app/manage.py", "check"]
    anybody = ["runuser", "-u", "nobody", "--", "env", *(f"{name}=/dev/null" for name in given)]
    assert "no issues" in deployment.server.run(*anybody, *check)
    again = deployment.run()
    assert "changed=0" in again.stdout


def half_made(server: Server) -> Any:
    return server.sql("freelance_scratch", "SELECT to_regclass('payments_half');")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("schema_migrations_direct_endpoints", "10.0.0.1:5000,10.0.0.2:5000", "a list of ADDRESS:PORT"),
        ("schema_migrations_releases_keep", 1, "schema_migrations_releases_keep=1: at least 2"),
        ("schema_migrations_app_password", "CHANGE_ME_PLEASE", "schema_migrations_app_password: empty"),
        ("schema_migrations_field_encryption_keys", "c2hvcnQ=", "schema_migrations_field_encryption_keys: 32 bytes"),
        ("schema_migrations_superuser_name", "Ad min", "schema_migrations_superuser_name=Ad min: 3 to 64"),
        ("schema_migrations_clearsessions_schedule", "daily", "schema_migrations_clearsessions_schedule=daily: five"),
        ("schema_migrations_archive_dir", "/var/lib/freelance-application", "give it a folder of its own"),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    deployment: Deployment, variable: str, value: Any, said: str
) -> None:
    result = deployment.run("-e", json.dumps({variable: value}))
    assert result.returncode != 0
    assert said in " ".join(result.stdout.split())
    assert "changed=0" in result.stdout
    assert deployment.server.run("bash", "-s", script=f"ls {ROOT} 2>/dev/null || true") == ""

"""Django's way to the test host: its environment before there is a host, its aliases when there is one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import endpoints
import keyring
from django.conf import settings
from django.core.cache import caches
from django.db import connections
from server import Server

HERE = Path(__file__).resolve().parent
CA_FILE = Path(tempfile.mkdtemp(prefix="app-tests-")) / "ca.crt"
# Taken by the real address when the host is there.
NOWHERE = "192.0.2.1"
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DJANGO_SECRET_KEY": "for-tests-only",
    "ENV_FILE": os.devnull,
    "DB_NAME": "freelance_platform",
    "DB_USER": "freelance_user",
    "DB_PASSWORD": "test-freelance_user",
    "DB_HOST": "pooled.test",
    "DB_HOSTADDR": NOWHERE,
    "DB_PORT": "6432",
    "DB_SSLROOTCERT": str(CA_FILE),
    # The same pooler by the name that leads to replicas.
    "DB_REPLICA_NAME": "freelance_platform_replica",
    "DB_DIRECT_HOST": "direct.test",
    "DB_DIRECT_HOSTADDR": NOWHERE,
    "DB_DIRECT_PORT": "5000",
    "DB_DIRECT_USER": "freelance_migrator",
    "DB_DIRECT_PASSWORD": "test-freelance_migrator",
    "CACHE_URL": f"rediss://freelance@{NOWHERE}:6379/0",
    "CACHE_PASSWORD": endpoints.CACHE_PASSWORD,
}
# SQL that makes a database empty, with the rights that role postgresql_access gives. As superuser.
EMPTY = (HERE / "postgresql_host.sh").read_text().split("<< 'EOF' || true\n")[1].split("\nEOF\n")[0]


def set_up() -> None:
    """Start Django with this environment; models can be imported from then on."""
    CA_FILE.touch()
    os.environ.update(ENVIRONMENT, ENCRYPTION_KEY_FILE=str(keyring.write(CA_FILE.with_name("keys.json"))))
    django.setup()
    # Whatever waits for a lock here waits for a mistake.
    for alias in settings.DATABASES.values():
        alias["OPTIONS"]["connect_timeout"] = 10
    # A machine under load is no cache that is gone.
    for cache in settings.CACHES.values():
        cache["OPTIONS"] |= {"socket_connect_timeout": 10, "socket_timeout": 10}


def lead_to(server: Server, authority: str) -> None:
    """Have every alias, and the caches, lead to this host. `authority`: the certificate that its own are checked by."""
    CA_FILE.write_text(authority)
    for alias in settings.DATABASES.values():
        alias["OPTIONS"]["hostaddr"] = server.address
    for name, cache in settings.CACHES.items():
        cache["LOCATION"] = cache["LOCATION"].replace(NOWHERE, server.address)
        # Who imported something may have looked at it already.
        caches[name].close()
        del caches[name]


@contextmanager
def alias_of(alias: str) -> Iterator[str]:
    """Alias of the database freelance_<alias>, as the owner, on the direct endpoint."""
    direct = settings.DATABASES["direct"]
    settings.DATABASES[alias] = {**direct, "NAME": f"freelance_{alias}", "OPTIONS": dict(direct["OPTIONS"])}
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del settings.DATABASES[alias]

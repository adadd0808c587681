"""What the tests of all files need of the host."""

import pytest


@pytest.fixture
def as_postgres(host):
    return lambda command: host.run(f"cd / && sudo -u postgres {command}")


@pytest.fixture
def damage(host):
    """Damage a file, or remove it; it is as it was afterwards.

    That file alone: cron's marker closes a segment every five minutes, which a copy of the whole repository made before
    would lack when it comes back.
    """
    saved = []

    def change(path, *, lost=False, at=99):
        saved.append(path)
        host.run_test(f"cp -a {path} /srv/saved{len(saved)}")
        host.run_test(f"rm {path}" if lost else f"printf damage | dd of={path} conv=notrunc seek={at} bs=1 status=none")

    yield change
    for number, path in enumerate(saved, start=1):
        host.run_test(f"mv /srv/saved{number} {path}")

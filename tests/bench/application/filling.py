"""Fill the database of a host with a marketplace, for a benchmark that measures something else.

    python -m tests.bench.application.filling HOST PEOPLE

HOST is a host of the network molecule, on which PostgreSQL is installed unless it is there. The last line is JSON: rows
and seconds.
"""

import json
import sys

from django.db import connections

# It brings the paths of the application and of its tests.
from tests.bench.application import host

import aliases  # isort: skip


def main(name: str, people: int) -> None:
    """Deploy the application and seed its marketplace."""
    aliases.set_up()
    try:
        bench = host.Bench(server=host.deployed(name), small=False, postgresql={})
        seed = bench.fill(people)
    finally:
        connections.close_all()
    print(json.dumps({"rows": seed.rows, "seconds": seed.seconds}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

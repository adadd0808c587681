"""Runs on a host, as root, with the standard library alone: prints what is there as JSON.

One call for each host instead of hundreds of small ones. The plan (a JSON object in argv[1]) names units, paths and
queries; nothing is changed.
"""

import grp
import json
import os
import pwd
import re
import socket
import ssl
import struct
import subprocess
import sys
import time
from itertools import zip_longest
from pathlib import Path
from typing import Any

SECONDS_MAX = 60
# At the beginning of a line: a program that reads keys names the mark, too.
PRIVATE_KEY = re.compile(rb"(?m)^\s*-----BEGIN [A-Z ]*PRIVATE KEY-----")
KEY_BYTES_MAX = 65536
MARK = "@@@ end of rows @@@"


def run(*argv: str) -> str:
    """Return the output of a program, or of its failure: the test that reads it fails and shows it."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{argv[0]}: {error}"
    return done.stdout if done.returncode == 0 else f"{done.stdout}{done.stderr}"


def as_postgres(*argv: str) -> str:
    """Run a program as the database's system user."""
    return run("runuser", "-u", "postgres", "--", *argv)


def sockets() -> list[dict[str, Any]]:
    """Return listening TCP and bound UDP sockets with the name of their program."""
    found = []
    for line in run("ss", "-Hlntup").splitlines():
        protocol, _, _, _, local, *rest = line.split()
        address, _, port = local.rpartition(":")
        program = re.search(r'"([^"]+)"', " ".join(rest))
        found.append(
            {
                "protocol": protocol,
                "address": address.strip("[]").partition("%")[0],
                "port": int(port),
                "program": program[1] if program else "",
            }
        )
    return found


def units(names: list[str]) -> dict[str, dict[str, str]]:
    """Return the state of systemd units by name."""
    shown = run("systemctl", "show", "-p", "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload", *names)
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.strip().split("\n\n")]
    return {block["Id"]: block for block in blocks if "Id" in block}


def files(patterns: list[str]) -> dict[str, dict[str, Any]]:
    """Return owner, group, mode and age of each path that matches."""
    found = {}
    for pattern in patterns:
        for path in matching(pattern):
            status = Path(path).lstat()
            found[path] = {
                "owner": name_of(pwd.getpwuid, status.st_uid),
                "group": name_of(grp.getgrgid, status.st_gid),
                "mode": f"{status.st_mode & 0o7777:04o}",
                "size": status.st_size,
                "modified": status.st_mtime,
            }
    return found


def matching(pattern: str) -> list[str]:
    """Return the paths that fit an absolute pattern."""
    return sorted(str(path) for path in Path("/").glob(pattern.lstrip("/")))


def name_of(look_up: Any, number: int) -> str:
    """Return the name of an id, or the id itself where none has it."""
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)


SAMPLE_KEY = "/etc/ssl/private/ssl-cert-snakeoil.key"  # made by the package ssl-cert; no service uses it


def open_private_keys(folders: list[str]) -> list[str]:
    """Return private keys that someone besides their owner may read."""
    found = []
    for folder in folders:
        for path in Path(folder).rglob("*"):
            if path.is_symlink() or not path.is_file() or str(path) == SAMPLE_KEY:
                continue
            status = path.stat()
            if status.st_size < KEY_BYTES_MAX and status.st_mode & 0o077 and PRIVATE_KEY.search(path.read_bytes()):
                found.append(str(path))
    return found


def certificates(pattern: str) -> dict[str, str]:
    """Return what openssl says about each certificate."""
    wanted = ("-noout", "-enddate", "-subject", "-issuer", "-ext", "subjectAltName,extendedKeyUsage")
    return {path: run("openssl", "x509", "-in", path, *wanted) for path in matching(pattern)}


SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL's protocol: "may this connection be encrypted?"
AUTHORITY = "/etc/ssl/platform/ca.crt"


def handshake(address: str, port: int, name: str, starttls: bool, authority: str) -> str:
    """Return the certificate (PEM) that a listener presents now, once the authority and the name were checked."""
    context = ssl.create_default_context(cafile=authority)
    # Newer Pythons are stricter than any client of the platform about extensions of the authority.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    with socket.create_connection((address, port), timeout=SECONDS_MAX / 6) as plain:
        if starttls:
            plain.sendall(SSL_REQUEST)
            if plain.recv(1) != b"S":
                raise ValueError("it speaks PostgreSQL's protocol without TLS")
        with context.wrap_socket(plain, server_hostname=name) as secure:
            return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"")


def presented(listeners: list[dict[str, Any]], authority: str = AUTHORITY) -> dict[str, str]:
    """Return what each listener presents, or why nobody could trust it."""
    found = {}
    for listener in listeners:
        try:
            wanted = {key: listener[key] for key in ("address", "port", "name", "starttls")}
            answer = handshake(**wanted, authority=authority)
        except (OSError, ValueError) as error:
            answer = f"{type(error).__name__}: {error}"
        found[f"{listener['address']}:{listener['port']}"] = answer
    return found


def clock() -> dict[str, float]:
    """Return the host's time, its zone, and when its first process started (a container's is not its machine's)."""
    boot = re.search(r"(?m)^btime (\d+)$", Path("/proc/stat").read_text())
    ticks = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
    started = int(boot[1] if boot else 0) + ticks / os.sysconf("SC_CLK_TCK")
    return {"now": time.time(), "utc_offset_seconds": time.localtime().tm_gmtoff, "started": started}


def contents(patterns: list[str]) -> dict[str, str]:
    """Return text files."""
    paths = [path for pattern in patterns for path in matching(pattern) if Path(path).is_file()]
    return {path: Path(path).read_text(encoding="utf-8", errors="replace") for path in paths}


def queries(statements: dict[str, list[str]]) -> dict[str, Any]:
    """Run each query [database, SQL] as postgres by the local socket; rows come back as JSON, errors as text."""
    found: dict[str, Any] = {}
    by_database: dict[str, list[str]] = {}
    for name, (database, _) in statements.items():
        by_database.setdefault(database, []).append(name)
    for database, names in by_database.items():
        rows = [f"select coalesce(json_agg(t), '[]') from ({statements[name][1]}) t" for name in names]  # noqa: S608 - the plan's own queries
        script = "".join(f"{row};\n\\echo {MARK}\n" for row in rows)
        done = subprocess.run(
            ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-P", "pager=off", "-d", database],
            input=script,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        parts = done.stdout.split(f"{MARK}\n")
        # After an error the parts of the others are missing.
        for name, part in zip_longest(names, parts[: len(names)], fillvalue=""):
            found[name] = json.loads(part.replace("\n", "")) if part.strip() else done.stderr.strip() or "no answer"
    return found


def main(plan: dict[str, Any]) -> dict[str, Any]:
    """Collect what the plan asks for."""
    return {
        "clock": clock(),
        "sockets": sockets(),
        "units": units(plan["units"]),
        "failed_units": run("systemctl", "list-units", "--failed", "--plain", "--no-legend").split("\n"),
        "files": files(plan["files"]),
        "open_private_keys": open_private_keys(plan["key_folders"]),
        "certificates": certificates(plan["certificates"]),
        "presented": presented(plan["listeners"]),
        "contents": contents(plan["contents"]),
        "users": {user.pw_name: [user.pw_uid, user.pw_gid, user.pw_dir] for user in pwd.getpwall()},
        "mounts": [line.split()[:4] for line in Path("/proc/self/mounts").read_text().splitlines()],
        "sysctl": {name: run("cat", "/proc/sys/" + name.replace(".", "/")).strip() for name in plan["sysctl"]},
        "commands": {name: run(*argv) for name, argv in plan["commands"].items()},
        "as_postgres": {name: as_postgres(*argv) for name, argv in plan["as_postgres"].items()},
        "queries": queries(plan["queries"]),
    }


if __name__ == "__main__":
    os.umask(0o077)
    print(json.dumps(main(json.loads(sys.argv[1]))))

#!/usr/bin/python3
"""Ansible module: hold the settings, access list and certificate of a running Valkey to what its files say."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: valkey_live
short_description: Hold a running Valkey to its files, without a restart where none is needed
description:
  - Reads the live settings, sets those that differ, loads the access list again when it differs from its file, and the
    certificate when another one is served than lies on disk. Says when only a restart helps.
  - Speaks to the local socket; the password is never on a command line.
options:
  socket: {type: path, required: true, description: Local socket.}
  user: {type: str, required: true, description: User that may read and set settings and load the access list.}
  password: {type: str, required: true, description: Its password.}
  settings: {type: dict, required: true, description: Settings that can be set live, as CONFIG GET prints them.}
  fixed: {type: dict, required: true, description: Settings that take a restart, as CONFIG GET prints them.}
  address: {type: str, required: true, description: Address at which the certificate is looked at.}
"""
RETURN = r"""
differences: {type: list, description: What differed, in words., returned: always}
restart_required: {type: bool, description: Whether a difference is left that only a restart removes., returned: always}
"""
TIMEOUT_SECONDS = 5


class ReplyError(Exception):
    """The server refused a command."""


class Valkey:
    """A connection by the local socket; `call` sends a command and returns its reply (str, int, None or list)."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_SECONDS)
        self.socket.connect(path)
        self.replies = self.socket.makefile("rb")

    def call(self, *words: str) -> Any:
        """Send one command; an error reply raises ReplyError."""
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words]
        self.socket.sendall(b"".join(parts))
        return self._reply()

    def _reply(self) -> Any:
        line = self.replies.readline().decode().rstrip("\r\n")
        if not line:
            raise OSError("connection closed by Valkey")
        kind, rest = line[0], line[1:]
        if kind == "-":
            raise ReplyError(rest)
        if kind == "*":
            return [self._reply() for _ in range(int(rest))]
        if kind == "$":
            return None if rest == "-1" else self.replies.read(int(rest) + 2)[:-2].decode()
        return int(rest) if kind == ":" else rest

    def settings(self, names: list[str]) -> dict[str, str]:
        """Read live settings by name."""
        flat = self.call("CONFIG", "GET", *names)
        return dict(zip(flat[::2], flat[1::2], strict=True))


def served_certificate(address: str, port: int) -> bytes:
    """Fetch the certificate that a client is shown; whether it is trusted is not asked here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, port), timeout=TIMEOUT_SECONDS) as plain, context.wrap_socket(plain) as tls:
        return tls.getpeercert(binary_form=True) or b""


def listed_users(path: str) -> list[str]:
    """Read the users of an access list file, in the form of ACL LIST."""
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return sorted(line for line in lines if line.startswith("user "))


def certificate_differs(settings: dict[str, str], address: str) -> bool:
    """Say whether another certificate is served than lies on disk."""
    on_disk = ssl.PEM_cert_to_DER_cert(Path(settings["tls-cert-file"]).read_text(encoding="ascii"))
    try:
        return served_certificate(address, int(settings["tls-port"])) != on_disk
    except OSError:
        return True


def reconcile(module: AnsibleModule) -> tuple[list[str], bool]:
    """Compare and, outside check mode, set; return the differences and whether a restart is left to do."""
    want: dict[str, str] = module.params["settings"]
    fixed: dict[str, str] = module.params["fixed"]
    server = Valkey(module.params["socket"])
    try:
        server.call("AUTH", module.params["user"], module.params["password"])
    except ReplyError:
        return [f"the running server refuses the password of {module.params['user']}"], True
    live = server.settings([*want, *fixed])
    wrong = {name: value for name, value in want.items() if live.get(name) != value}
    differences = [f"{name}: {live.get(name)!r} is not {want[name]!r}" for name in wrong]
    stuck = [f"{name}: {live.get(name)!r} is not {value!r}" for name, value in fixed.items() if live.get(name) != value]
    if wrong and not module.check_mode:
        server.call("CONFIG", "SET", *(word for pair in wrong.items() for word in pair))
    if certificate_differs(want, module.params["address"]):
        differences.append("another certificate is served than lies on disk")
        if not module.check_mode:
            files = ("tls-cert-file", "tls-key-file", "tls-ca-cert-file")
            server.call("CONFIG", "SET", *(word for name in files for word in (name, want[name])))
    users = listed_users(fixed["aclfile"])
    if not stuck and sorted(server.call("ACL", "LIST")) != users:
        differences.append("the live access list is not the one in its file")
        if not module.check_mode:
            server.call("ACL", "LOAD")
    return differences + stuck, bool(stuck)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "settings": {"type": "dict", "required": True},
            "fixed": {"type": "dict", "required": True},
            "address": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        differences, restart_required = reconcile(module)
    except (OSError, ReplyError, ValueError) as error:
        module.fail_json(msg=f"valkey at {module.params['socket']}: {error} (see journalctl -u valkey-server)")
    module.exit_json(changed=bool(differences), differences=differences, restart_required=restart_required)


if __name__ == "__main__":
    main()

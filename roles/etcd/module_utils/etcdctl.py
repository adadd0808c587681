"""Calls of etcdctl for the modules of this role: secrets go by environment and standard input, never by argument."""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import Any

CONNECTION_SPEC: dict[str, Any] = {
    "type": "dict",
    "required": True,
    "options": {
        "ca_file": {"type": "path", "required": True},
        "root_password": {"type": "str", "required": True, "no_log": True},
    },
}
ENDPOINTS_SPEC: dict[str, Any] = {"type": "list", "elements": "str", "required": True}
WRONG_PASSWORD = "authentication failed, invalid user ID or password"  # noqa: S105 - etcd's message, not a password


def described(listed: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the members of an answer: id (hexadecimal), name (empty before its first start), peer_urls."""
    return [
        {"id": f"{int(member['ID']):x}", "name": member.get("name", ""), "peer_urls": member["peerURLs"]}
        for member in listed["members"]
    ]


class EtcdctlError(Exception):
    """A call failed; the text is what etcdctl said."""


class Etcdctl:
    """etcdctl against some endpoints, as root, or without a user as long as passwords are not required."""

    def __init__(self, module: Any, endpoints: list[str]) -> None:
        """Take the module (AnsibleModule with the parameter `connection`) and the client URLs to try."""
        self._module = module
        connection = module.params["connection"]
        self._root_password: str = connection["root_password"]
        self._environment = {
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": ",".join(endpoints),
            "ETCDCTL_CACERT": connection["ca_file"],
            "ETCDCTL_DIAL_TIMEOUT": "3s",
            "ETCDCTL_COMMAND_TIMEOUT": "10s",
        }

    def ask(self, *arguments: str, user: tuple[str, str] | None = None) -> str:
        """Run one command and give its output, also where it ends with a status: it says what is wrong itself."""
        return str(self._call(arguments, user, None)[1])

    def run(self, *arguments: str, user: tuple[str, str] | None = None, standard_input: str | None = None) -> str:
        """Run one command and give its output. Raises EtcdctlError."""
        code, output, error = self._call(arguments, user, standard_input)
        if code != 0:
            lines = [line for line in error.splitlines() if line.startswith("Error:")] or error.splitlines()[-1:]
            raise EtcdctlError(" ".join(lines) or f"etcdctl {arguments[0]} ended with {code}")
        return output

    def _call(
        self, arguments: tuple[str, ...], user: tuple[str, str] | None, standard_input: str | None
    ) -> tuple[int, str, str]:
        environment = dict(self._environment)
        if user:
            environment |= {"ETCDCTL_USER": user[0], "ETCDCTL_PASSWORD": user[1]}
        code, output, error = self._module.run_command(
            ["etcdctl", *arguments], environ_update=environment, data=standard_input
        )
        return int(code), str(output), str(error)

    def accepts(self, name: str, password: str) -> bool:
        """Tell whether a user's password is right, once passwords are required. Raises EtcdctlError."""
        try:
            self.run("get", "platform-password-probe", user=(name, password))
        except EtcdctlError as failure:
            if WRONG_PASSWORD in str(failure):
                return False
            if "permission denied" in str(failure):
                return True
            raise
        return True

    def root(self) -> tuple[str, str] | None:
        """Give root's credentials as far as they are required. Raises EtcdctlError when they are wrong."""
        # Where passwords are not required, etcdctl warns and goes on without one: its success proves nothing.
        root = ("root", self._root_password)
        try:
            status = json.loads(self.run("auth", "status", "-w", "json", user=root))
        except EtcdctlError as failure:
            if WRONG_PASSWORD not in str(failure):
                raise
            raise EtcdctlError(
                "another password for root than the declared one: restore etcd_root_password in the secret store, or "
                "set it by `etcdctl user passwd root` with the old one"
            ) from failure
        return root if status.get("enabled") else None

    def members(self, user: tuple[str, str] | None) -> list[dict[str, Any]]:
        """List the members: id (hexadecimal), name (empty before its first start), peer_urls."""
        return described(json.loads(self.run("member", "list", "-w", "json", user=user)))

    def members_without_quorum(self) -> list[dict[str, Any]]:
        """List the members as one of them remembers them, without quorum or user. Empty when none answers."""
        context = ssl.create_default_context(cafile=self._environment["ETCDCTL_CACERT"])
        for endpoint in self._environment["ETCDCTL_ENDPOINTS"].split(","):
            url = urllib.request.Request(f"{endpoint}/v3/cluster/member/list", b'{"linearizable": false}')  # noqa: S310 (an https endpoint of the cluster's own)
            try:
                with urllib.request.urlopen(url, context=context, timeout=5) as answer:  # noqa: S310 - always https
                    return described(json.load(answer))
            except (OSError, ValueError, KeyError):
                continue
        return []

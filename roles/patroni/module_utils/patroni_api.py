"""Calls of Patroni's REST interface with a client certificate, for the modules of this role."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPSConnection
from typing import Any

PORT = 8008
TLS_SPEC: dict[str, Any] = {
    "type": "dict",
    "required": True,
    "options": {
        "ca_file": {"type": "path", "required": True},
        "certificate_file": {"type": "path", "required": True},
        "key_file": {"type": "path", "required": True},
    },
}
MEMBERS_SPEC: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": {"name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}},
}
STANDBYS = ("quorum_standby", "sync_standby", "replica")


class PatroniError(Exception):
    """A call failed or the cluster did not get where it should; the text says which."""


class Patroni:
    """The members of one cluster."""

    def __init__(self, members: list[dict[str, str]], tls: dict[str, str]) -> None:
        """Take the members (name, address) and the certificates."""
        self._addresses = {member["name"]: member["address"] for member in members}
        self._context = ssl.create_default_context(cafile=tls["ca_file"])
        self._context.load_cert_chain(tls["certificate_file"], tls["key_file"])

    def call(self, name: str, method: str, path: str, body: object = None, timeout: float = 10) -> tuple[int, str]:
        """Send one request to a member; give status and text. Raises PatroniError."""
        connection = HTTPSConnection(self._addresses[name], PORT, context=self._context, timeout=timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException) as failure:
            raise PatroniError(f"{method} {path} on {name}: {failure}") from failure
        finally:
            connection.close()

    def members(self) -> list[dict[str, Any]]:
        """List the members as the first one that answers sees them: name, role, state, pending_restart."""
        failures = []
        for name in self._addresses:
            try:
                status, text = self.call(name, "GET", "/cluster", timeout=5)
            except PatroniError as failure:
                failures.append(str(failure))
                continue
            if status == 200:  # noqa: PLR2004 - HTTP OK
                return list(json.loads(text)["members"])
        raise PatroniError("; ".join(failures) or "no member answers")

    def wait(self, what: str, good: Callable[[list[dict[str, Any]]], bool], seconds: float) -> list[dict[str, Any]]:
        """Wait until the members are as `good` says. Raises PatroniError after `seconds`, naming `what`."""
        end = time.monotonic() + seconds
        while True:
            try:
                members = self.members()
                if good(members):
                    return members
            except PatroniError:
                if time.monotonic() > end:
                    raise
            if time.monotonic() > end:
                raise PatroniError(f"{what} did not happen within {seconds:.0f} s")
            time.sleep(1)


def leader_of(members: list[dict[str, Any]]) -> str:
    """Give the leader's name, empty when nobody leads."""
    return next((str(m["name"]) for m in members if m["role"] == "leader" and m["state"] == "running"), "")


def healthy(members: list[dict[str, Any]]) -> bool:
    """Tell whether somebody leads and all others follow."""
    follows = all(m["state"] in {"running", "streaming"} for m in members)
    confirmed = len(members) == 1 or any(m["role"] in STANDBYS[:2] for m in members)
    return bool(leader_of(members)) and follows and confirmed

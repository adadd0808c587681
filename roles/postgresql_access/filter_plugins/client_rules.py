"""Filters of the role postgresql_access: problems of client rules, found before a file is written."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

NAME = re.compile(r"\+?[a-z_][a-z0-9_]{0,62}")
METHODS = {"local": ("peer", "scram-sha-256", "reject"), "hostssl": ("scram-sha-256", "cert", "reject")}
OPTIONS = {"map": NAME, "clientcert": re.compile("verify-ca|verify-full")}
KEYWORD_ADDRESSES = ("all", "samehost", "samenet")


def hba_problems(rules: Iterable[Mapping[str, Any]]) -> list[str]:
    """List what is wrong with rules of pg_hba.conf: each problem names rule, value and remedy."""
    problems = []
    for number, rule in enumerate(rules, start=1):
        problems += [f"rule {number}: {problem}" for problem in _problems_of(rule)]
    return problems


def ident_problems(rules: Iterable[Mapping[str, Any]]) -> list[str]:
    """List what is wrong with rules of pg_ident.conf."""
    problems = []
    for number, rule in enumerate(rules, start=1):
        for key in ("map", "system_user", "role"):
            if not NAME.fullmatch(str(rule.get(key, ""))):
                problems.append(f"map rule {number}: {key} {rule.get(key)!r}: use a-z, 0-9 and _ only")
    return problems


def _problems_of(rule: Mapping[str, Any]) -> list[str]:
    problems = []
    kind, method, address = rule.get("type"), rule.get("method"), rule.get("address")
    if kind not in METHODS:
        return [f"type {kind!r}: use local or hostssl (plain TCP is not offered)"]
    if method not in METHODS[kind]:
        problems.append(f"method {method!r} of a {kind} rule: use one of {', '.join(METHODS[kind])}")
    for key in ("databases", "roles"):
        names = rule.get(key)
        if isinstance(names, str) or not names:
            problems.append(f"{key} {names!r}: give a list of at least one name")
            continue
        problems += [
            f"{key} {name!r}: a name is 1 to 63 characters of a-z, 0-9 and _; rename it"
            for name in names
            if not isinstance(name, str) or not NAME.fullmatch(name)
        ]
    problems += _address_problems(kind, address)
    for key, value in (rule.get("options") or {}).items():
        if key not in OPTIONS or not OPTIONS[key].fullmatch(str(value)):
            problems.append(f"option {key}={value}: use map=<name> or clientcert=verify-ca|verify-full")
    if "\n" in (rule.get("comment") or ""):
        problems.append("comment: keep it on one line")
    return problems


def _address_problems(kind: str, address: object) -> list[str]:
    if kind == "local":
        return [f"address {address!r} of a local rule: take it away"] if address else []
    if address in KEYWORD_ADDRESSES:
        return []
    try:
        ipaddress.ip_network(str(address), strict=True)
    except ValueError as error:
        return [f"address {address!r}: {error}; give a network as address/bits, or all"]
    return [] if "/" in str(address) else [f"address {address!r}: give a network as address/bits, or all"]


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name the filters."""
        return {
            "postgresql_access_hba_problems": hba_problems,
            "postgresql_access_ident_problems": ident_problems,
        }

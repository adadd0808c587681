"""Hosts: credentials, addresses, monitoring and what a host knows at its first boot."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import yaml

from policy.model import UNKNOWN, Resource, Stack, differs, elements, missing
from policy.rule import OURS, resource_rule, stack_rule
from policy.tokens import EIP, EIP_ASSOCIATION, INSTANCE, LAUNCH_TEMPLATE, NETWORK_INTERFACE_ATTACHMENT

CLUSTER_TAG = "Cluster"  # database hosts and their volumes carry it
SERVES_TAG = "Serves"  # the others carry it: what they serve, with spaces between
METADATA_HOPS_MAX = 1  # a container on the host is one hop further away
FIRST_BOOT_KEYS = {"fqdn", "hostname", "preserve_hostname", "users"}
FIRST_BOOT_USER_KEYS = {"groups", "lock_passwd", "name", "shell", "ssh_authorized_keys", "sudo"}
# Source: AWS's prefixes of access keys, headers of private keys, and assignments as gitleaks' generic rule has them.
SECRETS = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN (?:\w+ )*PRIVATE KEY-----"),
    "a password or token": re.compile(
        r"(?i)\b\w*(?:password|passwd|passphrase|secret|token|api_?key)\w*[\"']?\s*[:=]\s*[\"']?[^\s\"'{}]{4,}"
    ),
}


@resource_rule(
    INSTANCE,
    LAUNCH_TEMPLATE,
    controls=["EC2.8", "EC2.170", "CKV_AWS_79", "CKV_AWS_341"],
    remedy="Set metadata_options: http_tokens='required', http_put_response_hop_limit=1.",
)
def ec2_metadata_needs_a_token(host: Resource) -> Iterator[str]:
    """A host's credentials are given for a session token alone (IMDSv2), at most one network hop away."""
    if host.get("metadataOptions.httpEndpoint") in ("disabled", UNKNOWN):
        return
    yield from differs(host, "metadataOptions.httpTokens", "required")
    yield from differs(host, "metadataOptions.httpPutResponseHopLimit", METADATA_HOPS_MAX)


@resource_rule(
    INSTANCE,
    LAUNCH_TEMPLATE,
    EIP,
    EIP_ASSOCIATION,
    controls=["EC2.9", "EC2.25", "CKV_AWS_88"],
    remedy="Set associate_public_ip_address=False; hosts are reached as the setting `reach` says.",
)
def ec2_no_public_address(resource: Resource) -> Iterator[str]:
    """No host has a public address."""
    if resource.type == INSTANCE:
        yield from differs(resource, "associatePublicIpAddress", False)
    for interface in elements(resource.get("networkInterfaces")):
        if resource.type == LAUNCH_TEMPLATE:
            yield from differs(interface, "associatePublicIpAddress", None, False, "false")
    for key in ("instance", "instanceId", "networkInterface", "networkInterfaceId"):
        if resource.type in (EIP, EIP_ASSOCIATION) and resource.get(key) is not None:
            yield f"{key} gives a host a public address"


@resource_rule(
    INSTANCE,
    NETWORK_INTERFACE_ATTACHMENT,
    controls=["EC2.17"],
    remedy="Leave out further interfaces: security groups of one interface are all that reaches a host.",
)
def ec2_one_network_interface(resource: Resource) -> Iterator[str]:
    """A host has one network interface."""
    if resource.type == NETWORK_INTERFACE_ATTACHMENT:
        yield from differs(resource, "deviceIndex", 0)
        return
    interfaces = [elements(resource.get(key)) for key in ("networkInterfaces", "secondaryNetworkInterfaces")]
    if len(interfaces[0]) > 1 or interfaces[1]:
        yield f"{1 + len(interfaces[1]) if interfaces[1] else len(interfaces[0])} network interfaces"


@resource_rule(INSTANCE, controls=["CKV_AWS_126"], remedy="Set monitoring=True.")
def ec2_detailed_monitoring(host: Resource) -> Iterator[str]:
    """A host's metrics come each minute: an alarm that reads them every five comes too late."""
    yield from differs(host, "monitoring", True)


@resource_rule(INSTANCE, controls=["CKV_AWS_135"], remedy="Set ebs_optimized=True.")
def ec2_ebs_optimised(host: Resource) -> Iterator[str]:
    """A host's way to its volumes is its own, not shared with its network."""
    yield from differs(host, "ebsOptimized", True)


@resource_rule(
    INSTANCE,
    LAUNCH_TEMPLATE,
    controls=["CKV_AWS_46"],
    remedy="Take it out and change it: user data is readable on the host, in the account and in the state.",
)
def ec2_no_secret_in_user_data(host: Resource) -> Iterator[str]:
    """User data holds no secret."""
    text = user_data(host)
    # What was found stays unsaid: messages end up in logs.
    yield from (f"user data holds {kind}" for kind, pattern in SECRETS.items() if pattern.search(text or ""))


@resource_rule(
    INSTANCE,
    controls=[OURS],
    remedy="Move the rest into a role: first boot is never run again, Ansible is.",
)
def ec2_first_boot_knows_name_and_key(host: Resource) -> Iterator[str]:
    """User data is cloud-init's configuration of the host's name, the controller's user and its public key alone."""
    text = user_data(host)
    if text is None:
        return
    try:
        given = yaml.safe_load(text) if text.startswith("#cloud-config\n") else None
    except yaml.YAMLError:
        given = None
    if not isinstance(given, dict):
        yield "user data is no cloud-init configuration (#cloud-config)"
        return
    yield from (f"user data sets {key}" for key in sorted(set(given) - FIRST_BOOT_KEYS))
    for user in elements(given.get("users")):
        names = set(user) - FIRST_BOOT_USER_KEYS if isinstance(user, dict) else {str(user)}
        yield from (f"user data sets users.{name}" for name in sorted(names))


@stack_rule(
    controls=["CKV2_AWS_41"],
    remedy="Set iam_instance_profile; a service host needs none: without a role it has no credentials to lose.",
)
def ec2_database_hosts_have_a_role(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """A database host reaches its backups by a role, never by keys that lie on it."""
    for host in database_hosts(stack):
        yield from ((host, found) for found in missing(host, "iamInstanceProfile"))


@stack_rule(
    controls=[OURS],
    remedy="Set disable_api_termination=True and disable_api_stop=True; before a host goes or is replaced, mark it "
    "(retiring_hosts, replacing_hosts).",
)
def ec2_hosts_with_data_are_not_ended_by_mistake(stack: Stack) -> Iterator[tuple[Resource, str]]:
    """No call terminates or stops a host of a cluster, or the one with all backups, unless it is marked."""
    members = [host for host in database_hosts(stack) if not stack.retiring(host)]
    for host in [*members, *repository_hosts(stack)]:
        if host.get("tags.State") not in ("replacing", UNKNOWN):
            for key in ("disableApiTermination", "disableApiStop"):
                yield from ((host, found) for found in differs(host, key, True))


def database_hosts(stack: Stack) -> list[Resource]:
    """Return the hosts that carry PostgreSQL."""
    return [host for host in stack.of_type(INSTANCE) if host.get(f"tags.{CLUSTER_TAG}") not in (None, UNKNOWN)]


def repository_hosts(stack: Stack) -> list[Resource]:
    """Return the hosts that have the backups; there is one where no bucket has them."""
    served = ((host, host.get(f"tags.{SERVES_TAG}")) for host in stack.of_type(INSTANCE))
    return [host for host, serves in served if isinstance(serves, str) and "repository" in serves.split()]


def user_data(host: Resource) -> str | None:
    """Return a host's user data as text; None without any or where a preview doesn't know it."""
    plain, encoded = host.get("userData"), host.get("userDataBase64")
    if host.type == LAUNCH_TEMPLATE:
        plain, encoded = None, plain
    if _text(encoded):
        return base64.b64decode(encoded).decode(errors="replace")
    return plain if _text(plain) else None


def _text(value: Any) -> bool:
    return isinstance(value, str)

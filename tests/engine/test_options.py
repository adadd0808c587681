"""Settings that no example stack has: the program that they lead to holds the policies too, on the real engine."""

from typing import Any

import pytest
from engine_workspace import Engine

SIZE = {"cores": 4, "memory_mib": 16384}
OPTIONS: dict[str, dict[str, Any]] = {
    "backups on a host of ours, no way out": {
        "services": [
            {"name": "service1", "serves": ["cache", "monitoring"], **SIZE, "metrics_volume_gib": 50},
            {"name": "service2", "serves": ["repository"], **SIZE, "repository_volume_gib": 1000},
        ],
        "egress": "none",
        "apt_mirror": "http://mirror.example.internal/debian",
        "architecture": "aarch64",
    },
    "an existing network, a bastion, backups in a second region, mails": {
        "vpc_id": "vpc-0123456789abcdef0",
        "internet_gateway_id": "igw-0123456789abcdef0",
        "reach": "bastion",
        "bastion": "ops@bastion.example.com",
        "backup_second_region": "eu-west-1",
        "alarm_emails": ["dba@example.com"],
        "egress": "nat_single",
        "services": [],
    },
}


@pytest.mark.parametrize("option", OPTIONS)
def test_the_policies_hold_for_settings_that_are_offered(engine: Engine, option: str) -> None:
    shown = engine.run("preview", settings=OPTIONS[option]).stdout
    judged = shown.partition("Policies:")[2]
    assert "freelance-platform" in judged, shown
    assert "[mandatory]" not in judged, shown

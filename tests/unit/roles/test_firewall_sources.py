"""The filter `firewall_sources`: networks as nftables wants them."""

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from tests.loading import load

from .role_files import ROOT

sources = load(ROOT / "roles/host_baseline/filter_plugins/firewall_sources.py").firewall_sources


def test_families_are_kept_apart() -> None:
    assert sources(["10.0.0.0/16", "fd00::/8"]) == {"ip": ["10.0.0.0/16"], "ip6": ["fd00::/8"]}


def test_overlapping_networks_become_one() -> None:
    assert sources(["10.99.0.0/24", "10.99.0.11", "10.99.1.0/24"]) == {"ip": ["10.99.0.0/23"]}


def test_no_source_is_no_family() -> None:
    assert sources([]) == {}


@pytest.mark.parametrize("wrong", ["10.0.0.0/16", ["10.0.0.1/16"], ["db1"], ["10.0.0.0/33"], [""]])
def test_what_is_no_list_of_networks_is_refused(wrong: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"10\.0\.0\.0/16"):
        sources(wrong)


@given(st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=8))
def test_the_order_of_sources_does_not_matter(addresses: list[str]) -> None:
    assert sources(addresses) == sources(sorted(addresses))

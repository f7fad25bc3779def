"""The kernel has what was promised last.

After it was changed, and after a restart of a guest, of the daemon and of the host, without the
collection.
"""

from __future__ import annotations

import pytest

testinfra_hosts = ["ansible://kvm_hosts"]

MIB = 2**20
VMS = ("held6", "held2", "half", "shares3", "shares1", "pooled1", "pooled2")
GOLD = "machine-gold.slice"


@pytest.fixture(params=["changed", "guest", "daemon", "host"])
def kept(request, measured):
    """What the kernel had for each VM that ran, after that."""
    return measured(request.param)


def test_all_run(kept):
    assert set(kept) == set(VMS)


def test_shares_are_weights(kept):
    assert [kept[vm]["weight"] for vm in ("shares3", "shares1", "half")] == [400, 100, 500]


def test_reservations_are_weights_of_which_each_is_enough(kept):
    assert abs(kept["held6"]["weight"] / kept["held2"]["weight"] - 6) < 0.1
    # Of the 0.9 cores that machine.slice has.
    gold = kept["pooled1"]["around"][GOLD]["weight"]
    alone = [kept[vm]["weight"] for vm in VMS if not vm.startswith("pooled")]
    assert kept["held6"]["weight"] / (sum(alone) + gold) >= 0.66


def test_limits(kept):
    assert kept["half"]["limit"] == 0.4
    for vm in VMS:
        gold = kept[vm]["around"].get(GOLD)
        assert bool(gold) == (vm in ("pooled1", "pooled2"))
        assert not gold or gold["limit"] == 0.3


def test_memory_is_protected_all_the_way_up(kept):
    least = kept["held6"]["minimum"]
    assert least > 256 * MIB
    assert list(kept["held6"]["around"]) == ["machine.slice"]
    assert kept["held6"]["around"]["machine.slice"]["minimum"] >= least
    assert kept["shares1"]["minimum"] == 0


def test_the_hook_had_no_faults(host):
    assert host.run("cat /run/kvm-fleet/faults").stdout == ""

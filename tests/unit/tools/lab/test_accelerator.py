"""How lab hosts run: under KVM only where guests run under it and may have guests of their own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.kvm.fleet.roles.lab.files.fleetlab import accelerator


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine where a probe guest runs under KVM, or not, and the kernel's switch says this."""

    def machine(kvm, nested):
        found = SimpleNamespace(accelerated=kvm, reason="so says the probe")
        probe = SimpleNamespace(accelerated=lambda: found)
        monkeypatch.setattr(accelerator, "_probe_module", lambda: probe)
        switch = tmp_path / "nested"
        if nested is not None:
            switch.write_text(f"{nested}\n")
        monkeypatch.setattr(accelerator, "_NESTED", (str(switch),))

    return machine


@pytest.mark.parametrize("nested", ["1", "Y"])
def test_kvm_that_nests_is_used(machine, nested):
    machine(kvm=True, nested=nested)
    chosen = accelerator.choose()
    assert (chosen.name, chosen.reason) == ("kvm", "so says the probe")
    assert 1 <= chosen.cpus <= accelerator.MOST_CPUS


@pytest.mark.parametrize("nested", ["0", "N", None])
def test_kvm_that_does_not_nest_is_not(machine, nested):
    machine(kvm=True, nested=nested)
    chosen = accelerator.choose()
    assert chosen.name == "tcg" and "does not nest" in chosen.reason


def test_without_kvm_hosts_are_emulated_with_one_cpu(machine):
    machine(kvm=False, nested="1")
    chosen = accelerator.choose()
    assert (chosen.name, chosen.cpus, chosen.reason) == ("tcg", 1, "so says the probe")

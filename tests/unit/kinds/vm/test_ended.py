"""A guest that ends by itself while a run is about to end it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Callable, cast

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Plan
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import applier, power


class Guest:
    """A VM whose guest is there until the given call finds it gone, or stays."""

    def __init__(self, gone_at: str, on_poweroff: str) -> None:
        self.gone_at = gone_at
        self.on_poweroff = on_poweroff
        self.is_there = True

    def isActive(self) -> bool:
        return self.is_there

    def XMLDesc(self, _flags: int) -> str:
        return f"<domain><on_poweroff>{self.on_poweroff}</on_poweroff></domain>"

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*_of: Any) -> None:
            if self.gone_at == name:
                self.is_there = False
            if self.gone_at in (name, "never"):
                raise libvirt.libvirtError("domain is not running")

        return call


def plan(on_timeout: str = "power_off") -> Plan:
    shutdown = {"timeout_s": 0.01, "on_timeout": on_timeout}
    wanted = SimpleNamespace(options={"shutdown": shutdown}, pruned=False)
    return cast(Plan, SimpleNamespace(wanted=wanted, resource="vm/web"))


@pytest.mark.parametrize("on_poweroff", ["destroy", "restart"])
@pytest.mark.parametrize("gone_at", ["shutdown", "destroy", "setLifecycleAction"])
def test_a_guest_that_ended_meanwhile_is_off_as_declared(gone_at: str, on_poweroff: str) -> None:
    applier.shut_down(Guest(gone_at, on_poweroff), plan())
    applier.POWER[power.SWITCH_OFF][0](Guest("destroy", on_poweroff), plan())


def test_what_libvirt_refuses_of_one_that_runs_is_an_error() -> None:
    with pytest.raises(libvirt.libvirtError):
        applier.shut_down(Guest("never", "destroy"), plan())
    with pytest.raises(libvirt.libvirtError):
        applier.POWER[power.SWITCH_OFF][0](Guest("never", "destroy"), plan())

"""What libvirt tells of another machine to a move."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import Bridge
from ansible_collections.kvm.fleet.plugins.module_utils.host import moves
from ansible_collections.kvm.fleet.plugins.module_utils.host.connection import Host

BRIDGE = """
<interface type='bridge' name='br0'><mtu size='9000'/><bridge>
  <interface type='ethernet' name='eno1'/><interface type='ethernet' name='vnet0'/>
</bridge></interface>
"""


def far(**calls: Any) -> Host:
    conn = SimpleNamespace(getType=lambda: "QEMU", isAlive=lambda: 1, **calls)
    return Host(conn, "qemu+ssh://kvm2/system")


def failing(code: int) -> Any:
    def call(*_of: Any) -> Any:
        error = libvirt.libvirtError("no")
        error.err = (
            code,
            0,
            "Host CPU does not provide required features: avx512f",
            2,
            "",
            "",
            "",
            0,
            0,
        )
        raise error

    return call


def test_a_far_bridge_is_told_without_the_taps_of_vms() -> None:
    found = SimpleNamespace(XMLDesc=lambda _flags: BRIDGE)
    host = far(interfaceLookupByName=lambda _name: found)
    assert moves.read_bridge(host, "br0") == Bridge(9000, ("eno1",))


@pytest.mark.parametrize("code", [libvirt.VIR_ERR_NO_INTERFACE, libvirt.VIR_ERR_NO_SUPPORT])
def test_what_libvirt_does_not_tell_of_a_bridge_is_not_known(code: int) -> None:
    assert moves.read_bridge(far(interfaceLookupByName=failing(code)), "br0") is None


def test_a_cpu_that_does_not_fit_is_told_with_what_it_lacks() -> None:
    of = ("x86_64", "q35", "kvm", "<cpu/>")
    host = far(compareHypervisorCPU=failing(libvirt.VIR_ERR_CPU_INCOMPATIBLE))
    found = moves.read_cpu_comparison(host, *of)
    assert found is not None and found["result"] == "lacks" and "avx512f" in found["said"]
    host = far(compareHypervisorCPU=failing(libvirt.VIR_ERR_NO_SUPPORT))
    assert moves.read_cpu_comparison(host, *of) is None
    same = far(compareHypervisorCPU=lambda *_of: libvirt.VIR_CPU_COMPARE_IDENTICAL)
    assert moves.read_cpu_comparison(same, *of) == {"result": "same", "said": ""}


def test_what_has_no_driver_there_is_not_known() -> None:
    host = far(listAllDevices=failing(libvirt.VIR_ERR_NO_SUPPORT))
    assert moves.read_node_devices(host) is None
    named = [SimpleNamespace(name=lambda: "b"), SimpleNamespace(name=lambda: "a")]
    assert moves.read_node_devices(far(listAllDevices=lambda _flags: named)) == ["a", "b"]

"""What is on a VM's board, on a real libvirtd: the oracle is QEMU's command line, by virsh."""

from __future__ import annotations

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.one_vm import Host
from support.private_libvirtd import PrivateLibvirtd


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


def command_line(host: Host) -> str:
    """How libvirt would start QEMU for the VM as it is stored."""
    return host.libvirtd.virsh("domxml-to-native", "qemu-argv", "--domain", host.name)


def test_what_is_on_the_board_is_qemus(host: Host) -> None:
    host.defined()
    done = host.declare(
        timezone="Europe/Berlin",
        timers=[
            {"name": "rtc", "tickpolicy": "catchup"},
            {"name": "hpet", "present": False},
            {"name": "hypervclock", "present": True},
        ],
        boot={"menu": {"enabled": True, "timeout_ms": 3000}, "devices": ["network", "hd"]},
        features={
            "vmport": False,
            "kvm": {"hidden": True},
            "hyperv": {
                **dict.fromkeys(("relaxed", "vapic", "vpindex", "synic", "stimer"), True),
                "spinlocks": 8191,
                "vendor_id": "fleet",
            },
        },
        smbios={"system": {"manufacturer": "Fleet & Co"}},
    )
    assert done["vm"]["clock"] == "timezone"
    assert done["vm"]["features"]["hyperv"]["mode"] == "custom"
    assert done["vm"]["smbios"]["mode"] == "sysinfo"
    line = command_line(host)
    for said in (
        "TZ=Europe/Berlin", "-rtc base=localtime,driftfix=slew", "hpet", "vmport=off",
        "hv-time=on", "hv-relaxed=on", "hv-stimer=on", "hv-spinlocks=0x1fff", "hv-vendor-id=fleet",
        "kvm=off", "menu=on", "splash-time=3000", "Fleet",
    ):  # fmt: skip
        assert said in line, said

    done = host.declare(
        clock="utc",
        boot={"devices": ["hd"], "menu": {"enabled": False, "timeout_ms": 0}},
        features={"hyperv": {"mode": "none"}},
        smbios={"mode": "emulate"},
    )
    line = command_line(host)
    assert "hv-relaxed" not in line and "TZ=" not in line and "-rtc base=utc" in line
    assert "Fleet" not in line and "menu=on" not in line


def test_a_profile_of_windows_is_qemus_too(host: Host) -> None:
    new = {"memory": {"size": "64MiB"}, "virt_type": "qemu", "profile": "windows-server"}
    done = host.declare(**new, cdroms=[{"name": "setup"}])
    assert done["vm"]["firmware"] == "efi" and done["vm"]["clock"] == "localtime"
    line = command_line(host)
    for said in ("-rtc base=localtime,driftfix=slew", "hpet", "OVMF", "VGA", "ide-cd", "-vnc"):
        assert said in line, said
    again = host.declare(profile="windows-11", cdroms=[{"name": "setup"}], purge=True)
    assert not again["changed"]


def test_a_nic_has_its_queues_and_its_filter(host: Host) -> None:
    filtered = {"name": "clean-traffic", "parameters": {"IP": "192.0.2.7"}}
    tuned = {"driver": "vhost", "queues": 4, "filter": filtered}
    nic = "<interface type='bridge'><source bridge='br-a'/><mac address='52:54:00:00:00:0a'/>"
    host.defined(devices=f"{nic}<model type='virtio'/></interface>")
    host.declare(nics=[{"name": "a", "mac": "52:54:00:00:00:0a", **tuned}])
    xml = host.xml()
    assert "<filterref filter='clean-traffic'>" in xml and "value='192.0.2.7'" in xml
    assert "<driver name='vhost' queues='4'/>" in xml
    plain = {"driver": "default", "queues": 0, "filter": {"name": ""}}
    host.declare(nics=[{"name": "a", "mac": "52:54:00:00:00:0a", **plain}])
    assert "filterref" not in host.xml()

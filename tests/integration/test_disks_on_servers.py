"""Disks on servers, on a real libvirtd: QEMU has them from an NBD server, and virsh tells it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.one_vm import SMALL, Host
from support.private_libvirtd import PrivateLibvirtd

PORT = 10811


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


@pytest.fixture
def server(libvirtd: PrivateLibvirtd, images: Path) -> Iterator[str]:
    """The address of an NBD server with two exports, in the namespaces of libvirtd."""
    pids = []
    for number, export in enumerate(("one", "two")):
        image, pid = images / f"{export}.img", images / f"{export}.pid"
        libvirtd.run(["truncate", "-s", "1M", image])
        libvirtd.run(
            ["qemu-nbd", "--fork", "--persistent", "-f", "raw", "-x", export, "-e", "9",
             "-p", str(PORT + number), "--pid-file", pid, image]
        )  # fmt: skip
        pids.append(libvirtd.outside(pid))
    yield "127.0.0.1"
    for pid in pids:
        libvirtd.run(["kill", pid.read_text().strip()])


def nbd(address: str, export: str, port: int = PORT) -> dict[str, object]:
    return {"protocol": "nbd", "name": export, "hosts": [{"name": address, "port": port}]}


def sources(host: Host, *flags: str) -> dict[str, str]:
    domain = ET.fromstring(host.libvirtd.virsh("dumpxml", host.name, *flags))
    return {
        alias.get("name", ""): "" if source is None else str(source.get("name"))
        for disk in domain.findall("devices/disk")
        if (alias := disk.find("alias")) is not None
        for source in [disk.find("source")]
    }


def test_disks_of_a_server_come_to_what_runs_and_go(host: Host, server: str) -> None:
    host.declare(
        state="paused", memory=SMALL, virt_type="qemu", cdroms=[{"name": "drive"}],
        disks=[{"name": "one", "network": nbd(server, "one"), "cache": "none"}],
    )  # fmt: skip
    assert sources(host)["ua-disk-one"] == "one"
    # What runs says the same, and nothing waits.
    done = host.declare(disks=[{"name": "one", "network": {"protocol": "nbd", "name": "one"}}])
    assert not done["changed"] and not done["pending_restart"]
    done = host.declare(disks=[{"name": "two", "network": nbd(server, "two", PORT + 1)}])
    assert [row["class"] for row in done["plan"]] == ["hotplug"]
    assert sources(host)["ua-disk-two"] == "two" == sources(host, "--inactive")["ua-disk-two"]
    # Nobody gets an image a second time to write to.
    said = host.refused(disks=[{"name": "three", "network": nbd(server, "one")}])
    assert "is what the disk one of this VM stands on" in said


def test_a_medium_of_a_server_is_put_in(host: Host, server: str) -> None:
    host.declare(state="paused", memory=SMALL, virt_type="qemu", cdroms=[{"name": "drive"}])
    for export, port in (("one", PORT), ("two", PORT + 1)):
        done = host.declare(cdroms=[{"name": "drive", "network": nbd(server, export, port)}])
        assert {row["class"] for row in done["plan"]} == {"live"}
        assert sources(host)["ua-cdrom-drive"] == export
    host.declare(cdroms=[{"name": "drive", "file": ""}])
    assert sources(host)["ua-cdrom-drive"] in ("", "None")


def test_what_cannot_run_here_is_taken_by_libvirt(host: Host) -> None:
    """Ceph, a SAN, a web server, NVMe: as far as its own XML and QEMU's command line go."""
    host.libvirtd.run(
        ["virsh", "secret-define", "/dev/stdin"],
        stdin=f"""<secret ephemeral='yes' private='yes'><usage type='ceph'><name>{host.name}</name>
        </usage></secret>""",
    )
    rbd = {"protocol": "rbd", "name": "p/i", "hosts": [{"name": "mon.example", "port": 6789}]}
    iscsi = {"protocol": "iscsi", "name": "iqn.2013-07.com.example:a", "hosts": [{"name": "san"}]}
    web = {"protocol": "https", "name": "a.iso", "hosts": [{"name": "w"}]}
    auth = {"username": "fleet", "secret": host.name}
    host.declare(
        memory=SMALL, virt_type="qemu",
        disks=[
            {"name": "a", "network": {**rbd, "auth": auth}},
            {"name": "b", "network": iscsi},
            {"name": "c", "nvme": {"address": "0000:05:00.0", "namespace": 1}},
        ],
        cdroms=[{"name": "d", "network": web}],
    )  # fmt: skip
    told = host.modules.run("vm_info", {"names": [host.name]})["vms"][0]
    assert told["disks"][0]["network"] == {**rbd, "auth": auth}
    assert told["disks"][1]["network"]["name"] == "iqn.2013-07.com.example:a/0"
    assert told["disks"][2]["nvme"] == {
        "address": "0000:05:00.0", "namespace": 1, "managed": True
    }  # fmt: skip
    assert not [path for path in told["unmanaged"] if "disk" in path]
    # Another server of the same image, and nothing else.
    done = host.declare(disks=[{"name": "a", "network": {**rbd, "hosts": [{"name": "other"}]}}])
    assert [row["field"] for row in done["plan"]] == ["disks.a.network"]
    assert "<auth username='fleet'" in host.xml()
    host.libvirtd.virsh("secret-undefine", "--secret", _secret(host))


def _secret(host: Host) -> str:
    listed = host.libvirtd.virsh("secret-list").splitlines()
    return next(line.split()[0] for line in listed if host.name in line)

"""A plan for the snapshot of a host is that for the host, also where there is no libvirt at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.leftovers import remove_all
from support.module_server import COLLECTIONS, ModuleServer
from support.private_libvirtd import IMAGES, PrivateLibvirtd

Args = dict[str, Any]
Result = dict[str, Any]

PREFIX = "hsnap-"
WORD = "Qz7kW3xp"
FOLDER = IMAGES / f"{PREFIX}images"
POOL, OFF, LOST, GONE = (f"{PREFIX}{name}" for name in ("pool", "off", "lost", "gone"))
LAN, IDLE = f"{PREFIX}lan", f"{PREFIX}idle"
COMMANDLINE = (
    "<qemu:commandline><qemu:arg value='-object'/>"
    f"<qemu:arg value='secret,id=s0,data={WORD}'/></qemu:commandline>"
)
SIZES = ("capacity_bytes", "allocation_bytes", "available_bytes")
# What needs a libvirt, if only its parser.
JUDGED = ("libvirt has not judged", "libvirt's parser has not judged")


def vm(name: str, **options: Any) -> Args:
    return {
        "name": f"{PREFIX}{name}",
        "virt_type": "qemu",
        "memory": {"size": "64MiB", "maximum": "128MiB"},
        **options,
    }


def disk(name: str = "root", **options: Any) -> Args:
    return {"name": name, "pool": POOL, "capacity": "16MiB", **options}


def clone(name: str = "root", **options: Any) -> Args:
    return disk(name, backing={"volume": "base.qcow2"}, **options)


NIC = {"name": "lan", "vswitch": LAN}
POOLS = [
    {"name": POOL, "type": "dir", "path": str(FOLDER / "pool")},
    {"name": OFF, "type": "dir", "path": str(FOLDER / "off")},
    {"name": LOST, "type": "dir", "path": str(FOLDER / "lost")},
    {"name": GONE, "type": "dir", "path": str(FOLDER / "gone")},
]
VOLUMES = [
    {"pool": POOL, "name": "base.qcow2", "capacity": "8MiB"},
    {"pool": POOL, "name": "spare.raw", "capacity": "8MiB", "format": "raw"},
    {"pool": OFF, "name": "asleep.qcow2", "capacity": "8MiB"},
]
VSWITCHES = [
    {
        "name": LAN,
        "type": "nat",
        "address": "192.168.181.1/24",
        "dhcp": {"ranges": [{"start": "192.168.181.10", "end": "192.168.181.20"}]},
    },
    {"name": IDLE, "type": "isolated"},
]
UP = vm("up", disks=[clone()], nics=[NIC], state="running")
HARD = vm(
    "hard",
    machine="q35",
    firmware="efi",
    tpm={"model": "tpm-crb", "version": "2.0"},
    disks=[disk()],
    graphics={"type": "vnc"},
    state="running",
)
ODD = vm("odd", disks=[clone()], extra_xml=COMMANDLINE)
VMS = [
    vm("plain", disks=[clone(), disk("data")], nics=[NIC], state="stopped"),
    UP,
    HARD,
    ODD,
    vm("still", disks=[clone()], state="paused"),
    vm("saved", disks=[clone()], state="running"),
    vm("kept", disks=[disk()], protected=True),
]
EVERYTHING: Args = {
    "storage_pools": POOLS,
    "storage_volumes": VOLUMES,
    "vswitches": VSWITCHES,
    "vms": VMS,
}


@dataclass(frozen=True)
class Host:
    """A host, a snapshot of it, and a machine that has neither."""

    libvirtd: PrivateLibvirtd
    modules: ModuleServer
    elsewhere: ModuleServer
    taken: Path

    def plans(self, module: str, args: Args) -> tuple[Result, Result, Result]:
        """The plan for the host; that for its snapshot there; and that where no libvirt is."""
        of_snapshot = {**args, "uri": f"snapshot:{self.taken}"}
        return (
            self.modules.run(module, args, True),
            self.modules.run(module, of_snapshot, True),
            self.elsewhere.run(module, of_snapshot, True),
        )


@pytest.fixture(scope="module")
def host(
    private_libvirtd: PrivateLibvirtd, modules: ModuleServer, tmp_path_factory: Any
) -> Iterator[Host]:
    """A host that carries some of everything, of which a snapshot was taken."""
    if not private_libvirtd.answers():
        private_libvirtd.start_libvirtd()
    folder = tmp_path_factory.mktemp("snapshots")
    private_libvirtd.outside(FOLDER).mkdir(mode=0o711)
    done = modules.run("host_config", EVERYTHING)
    assert not done.get("failed"), done["msg"]
    _by_others(private_libvirtd)
    taken = modules.run("host_snapshot", {"dest": str(folder / "host.json")})
    assert taken["changed"], taken
    with ModuleServer(_without_libvirt(folder)) as elsewhere:
        yield Host(private_libvirtd, modules, elsewhere, folder / "host.json")
    if not private_libvirtd.answers():
        private_libvirtd.start_libvirtd()
    remove_all(private_libvirtd.uri, PREFIX)
    shutil.rmtree(private_libvirtd.outside(FOLDER))


def _by_others(libvirtd: PrivateLibvirtd) -> None:
    """What no declaration brings about."""
    virsh = libvirtd.virsh
    virsh("managedsave", f"{PREFIX}saved")
    virsh("snapshot-create-as", f"{PREFIX}plain", "one", "--disk-only")
    virsh("snapshot-create-as", f"{PREFIX}odd", "two", "--disk-only")
    definition = virsh("dumpxml", f"{PREFIX}hard", "--inactive")
    with_password = definition.replace("<graphics ", f"<graphics passwd='{WORD}' ")
    libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=with_password)
    virsh("pool-destroy", OFF)
    virsh("pool-destroy", LOST)
    virsh("net-destroy", IDLE)
    libvirtd.outside(FOLDER / "lost").rmdir()
    virsh("pool-destroy", GONE)
    libvirtd.outside(FOLDER / "gone").rmdir()
    _start_without_folder(libvirtd, GONE)
    libvirtd.outside(FOLDER / "pool" / "stray.iso").write_bytes(b"\0" * 4096)
    libvirtd.outside(FOLDER / "off" / ".half.qcow2.partial").touch()


def _start_without_folder(libvirtd: PrivateLibvirtd, pool: str) -> None:
    """A pool that is active, and whose folder is gone."""
    libvirtd.outside(FOLDER / "gone").mkdir()
    libvirtd.virsh("pool-start", pool)
    libvirtd.outside(FOLDER / "gone").rmdir()


def _without_libvirt(folder: Path) -> list[str]:
    """How to run something where libvirt's Python binding is missing."""
    (folder / "libvirt.py").write_text("raise ImportError('it is not installed')\n")
    return ["env", f"PYTHONPATH={os.pathsep.join((str(folder), str(COLLECTIONS)))}"]


def named(part: str) -> str:
    return f"{PREFIX}{part}"


DECLARED: list[tuple[str, Args]] = [
    # as it is, and a little of everything
    ("host_config", EVERYTHING),
    ("host_config", {"vms": [{**one, "title": "x"} for one in VMS]}),
    ("host_config", {"vm_defaults": {"autostart": True, "memory": {"size": "96MiB"}}, "vms": VMS}),
    ("host_config", {"vms": [UP], "prune": True, "prune_limit": 9}),
    ("host_config", {"vms": [UP], "vswitches": [VSWITCHES[1]], "prune": True, "prune_limit": 1}),
    ("host_config", {"vms": [], "prune": True, "prune_limit": 0}),
    # VMs that come
    ("vm", vm("new", disks=[clone(), disk("data")], nics=[NIC], state="running")),
    ("vm", vm("new", firmware="efi", secure_boot=True, machine="q35", tpm={"model": "tpm-crb"})),
    ("vm", vm("new", cdroms=[{"name": "cd", "file": str(FOLDER / "pool/stray.iso")}])),
    ("vm", vm("new", cdroms=[{"name": "cd", "file": str(FOLDER / "pool/none.iso")}])),
    ("vm", vm("new")),
    ("vm", vm("new", nics=[{"name": "lan", "vswitch": "no-such-vswitch"}])),
    ("vm", vm("new", disks=[disk(pool="no-such-pool")])),
    ("vm", vm("new", disks=[disk(pool=LOST)])),
    ("vm", vm("new", disks=[{"name": "root", "pool": OFF, "volume": "asleep.qcow2"}])),
    ("vm", vm("new", disks=[{"name": "root", "pool": POOL, "volume": "hsnap-up-root.qcow2"}])),
    ("vm", vm("new", extra_xml="<devices><input type='tablet' bus='usb'/></devices>")),
    # VMs that change
    ("vm", {"name": named("plain"), "cpu": {"count": 2}, "state": "running"}),
    ("vm", {"name": named("plain"), "disks": [disk("data", capacity="32MiB")]}),
    ("vm", {"name": named("plain"), "disks": [], "purge": True}),
    ("vm", {"name": named("up"), "memory": {"size": "96MiB"}, "title": "x", "autostart": True}),
    ("vm", {"name": named("up"), "disks": [disk("more")], "nics": [{**NIC, "name": "second"}]}),
    ("vm", {"name": named("up"), "cpu": {"count": 3}, "apply": "restart"}),
    ("vm", {"name": named("up"), "cpu": {"count": 3}, "apply": "live"}),
    ("vm", {"name": named("up"), "state": "stopped"}),
    ("vm", {"name": named("hard"), "graphics": {"type": "spice"}}),
    ("vm", {"name": named("hard"), "tpm": {"model": "none"}}),
    ("vm", {"name": named("odd"), "title": "x", "extra_xml": COMMANDLINE}),
    ("vm", {"name": named("odd"), "extra_xml": COMMANDLINE.replace(WORD, "another")}),
    ("vm", {"name": named("odd"), "extra_xml": ""}),
    ("vm", {"name": named("still"), "state": "running", "cpu": {"count": 1}}),
    ("vm", {"name": named("saved"), "state": "running"}),
    ("vm", {"name": named("saved"), "memory": {"maximum": "256MiB"}}),
    # VMs that go
    *(
        ("vm", {"name": named(name), "state": "absent", "remove_storage": removes})
        for name in ("plain", "up", "hard", "odd", "still", "saved", "kept", "none")
        for removes in (False, True)
    ),
    # storage
    ("storage_pool", {"name": POOL, "state": "inactive"}),
    ("storage_pool", {"name": POOL, "path": str(FOLDER / "elsewhere")}),
    ("storage_pool", {"name": OFF, "state": "active", "autostart": True}),
    ("storage_pool", {"name": LOST, "state": "active"}),
    ("storage_pool", {"name": GONE, "state": "active"}),
    ("storage_pool", {"name": GONE, "state": "inactive"}),
    *(
        ("storage_pool", {"name": name, "state": "absent"})
        for name in (POOL, OFF, LOST, GONE, "none")
    ),
    ("storage_pool", {"name": named("next"), "type": "dir", "path": str(FOLDER / "next")}),
    ("storage_pool", {"name": named("next"), "type": "dir", "path": str(FOLDER / "pool")}),
    ("storage_volume", {"pool": POOL, "name": "new.qcow2", "capacity": "8MiB"}),
    ("storage_volume", {"pool": POOL, "name": "spare.raw", "capacity": "16MiB"}),
    ("storage_volume", {"pool": POOL, "name": "spare.raw", "capacity": "4MiB"}),
    ("storage_volume", {"pool": POOL, "name": "base.qcow2", "capacity": "16MiB"}),
    ("storage_volume", {"pool": OFF, "name": "asleep.qcow2", "capacity": "16MiB"}),
    ("storage_volume", {"pool": OFF, "name": "half.qcow2", "capacity": "8MiB"}),
    ("storage_volume", {"pool": LOST, "name": "any.qcow2", "capacity": "8MiB"}),
    ("storage_volume", {"pool": GONE, "name": "any.qcow2", "capacity": "8MiB"}),
    *(
        ("storage_volume", {"pool": pool, "name": name, "state": "absent"})
        for pool, name in (
            *((POOL, "spare.raw"), (POOL, "base.qcow2"), (POOL, "none"), (POOL, "stray.iso")),
            *((OFF, "asleep.qcow2"), (OFF, "none"), (OFF, "half.qcow2"), (LOST, "none")),
            (GONE, "none"),
        )
    ),
    # vswitches
    ("vswitch", {"name": LAN, "domain": "example.org"}),
    ("vswitch", {"name": LAN, "address": "192.168.182.1/24", "apply": "restart"}),
    ("vswitch", {"name": LAN, "state": "absent"}),
    ("vswitch", {"name": IDLE, "state": "active"}),
    ("vswitch", {"name": IDLE, "state": "absent"}),
    ("vswitch", {"name": named("new"), "type": "isolated", "address": "192.168.183.1/24"}),
    ("vswitch", {"name": named("new"), "type": "nat", "address": "192.168.181.1/24"}),
    ("vswitch", {"name": named("new"), "type": "bridge", "bridge": "no-such-bridge"}),
    ("vswitch", {"name": "none", "state": "absent"}),
]


@pytest.mark.parametrize(
    ("module", "args"),
    DECLARED,
    ids=[f"{n}-{module}" for n, (module, _args) in enumerate(DECLARED)],
)
def test_a_plan_for_the_snapshot_is_that_for_the_host(host: Host, module: str, args: Args) -> None:
    of_host, of_snapshot, elsewhere = host.plans(module, args)
    assert told(of_snapshot) == told(of_host)
    assert told(elsewhere) == told(of_host)
    assert WORD not in json.dumps([{**one, "invocation": {}} for one in (of_snapshot, elsewhere)])


def told(result: Result) -> Result:
    """What a module says, without what only a libvirt could."""
    warnings = [one if isinstance(one, str) else one["event"]["msg"] for one in _warnings(result)]
    own = [one for one in warnings if not any(words in one for words in JUDGED)]
    left_out = ("invocation", "warnings", "made_from", "exception")
    kept = {part: value for part, value in result.items() if part not in left_out}
    pool = kept.get("storage_pool", {})  # others write to its file system
    still = {part: value for part, value in pool.items() if part not in SIZES}
    return {**kept, "storage_pool": still, "warnings": own}


def _warnings(result: Result) -> list[Any]:
    return list(result.get("warnings", ()))


@pytest.mark.parametrize("volumes", ["used", "all", "none"])
def test_the_export_of_a_snapshot_is_that_of_the_host(host: Host, volumes: str) -> None:
    of_host, of_snapshot, elsewhere = host.plans("export", {"volumes": volumes})
    assert not of_host.get("failed"), of_host["msg"]
    assert told(of_snapshot) == told(of_host)
    assert told(elsewhere) == told(of_host)


@pytest.mark.parametrize(
    ("module", "args"),
    [
        ("host_config", EVERYTHING),
        ("vm", UP),
        ("vswitch", VSWITCHES[0]),
        ("storage_pool", POOLS[0]),
        ("storage_volume", VOLUMES[0]),
    ],
)
def test_a_run_on_a_snapshot_is_refused(host: Host, module: str, args: Args) -> None:
    for where in (host.modules, host.elsewhere):
        done = where.run(module, {**args, "uri": f"snapshot:{host.taken}"})
        assert "can be planned for, and not changed; run in check mode" in done["msg"]


@pytest.mark.parametrize(
    "module", ["host_info", "vm_info", "storage_info", "vswitch_info", "host_snapshot"]
)
def test_what_tells_of_a_host_as_it_is_takes_no_snapshot(host: Host, module: str) -> None:
    told_of = host.elsewhere.run(module, {"uri": f"snapshot:{host.taken}"})
    assert "is no host, of which alone this module can tell" in told_of["msg"]


def test_what_a_snapshot_does_not_know_is_a_warning(host: Host) -> None:
    """An image that was on the host, but nowhere where a snapshot looks."""
    image = "/srv/elsewhere/new.qcow2"
    args = vm("new", disks=[{"name": "root", "file": image, "format": "qcow2"}])
    _of_host, of_snapshot, elsewhere = host.plans("vm", args)
    for planned in (of_snapshot, elsewhere):
        assert planned["changed"] is True
        assert any(f"does not know {image}" in one for one in told(planned)["warnings"]), planned


def test_no_secret_is_in_a_snapshot(host: Host) -> None:
    text = host.taken.read_text()
    assert "fleet-hidden-" in text
    assert WORD not in text


def test_two_snapshots_of_the_same_host_are_the_same(host: Host) -> None:
    again = host.modules.run("host_snapshot", {})
    before, after = json.loads(host.taken.read_text()), json.loads(again["text"])
    assert set(before["facts"]["file"]) == set(after["facts"]["file"])
    assert before["lists"] == after["lists"]
    assert before["resources"]["vm"].keys() == after["resources"]["vm"].keys()


def test_a_host_that_is_another_machine_has_a_snapshot_too(host: Host, tmp_path: Path) -> None:
    """Of it nothing is known but what its libvirt tells, in a snapshot as in a plan."""
    helper = tmp_path / "helper"
    helper.write_text("#!/bin/sh\nexec virt-ssh-helper qemu:///system\n")
    helper.chmod(0o755)
    far = f"qemu+ext://far/system?command={helper}"
    taken = tmp_path / "far.json"
    done = host.modules.run("host_snapshot", {"uri": far, "dest": str(taken)})
    assert not done.get("failed"), done["msg"]
    for module, args in (
        ("host_config", EVERYTHING),
        ("vm", vm("new", disks=[clone()])),
        ("vm", {"name": named("plain"), "state": "absent", "remove_storage": True}),
        ("vswitch", {"name": LAN, "domain": "example.org"}),
    ):
        of_host = host.modules.run(module, {**args, "uri": far}, True)
        of_snapshot = host.elsewhere.run(module, {**args, "uri": f"snapshot:{taken}"}, True)
        assert told(of_snapshot) == told(of_host)
    _start_without_folder(host.libvirtd, GONE)  # libvirt has stopped it when it looked

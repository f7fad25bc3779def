"""The module vm on a real libvirtd, with guests that boot: seen in XML and from inside."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.port_groups import HOLDS_GROUPS
from support.guest import CHANNEL, COMMAND_LINE, TinyGuest, provide
from support.leftovers import remove_all
from support.module_server import ModuleServer
from support.private_libvirtd import IMAGES, PrivateLibvirtd

Args = dict[str, Any]
Result = dict[str, Any]

PREFIX = "vmt-"
FOLDER = IMAGES / f"{PREFIX}images"
MIB = 2**20
TAKES_NO_CPUS = [6, 12]  # the release of a guest's kernel


class Site:
    """A host with a pool, a NAT vswitch and the files of the tiny guest."""

    pool = f"{PREFIX}pool"
    vswitch = f"{PREFIX}net"

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.folder = libvirtd.outside(FOLDER)
        self.boot = {
            "kernel": f"{FOLDER}/vmlinuz",
            "initrd": f"{FOLDER}/initramfs.img",
            "cmdline": COMMAND_LINE,
        }
        provide(self.folder)
        ranges = [{"start": "198.51.100.100", "end": "198.51.100.150"}]
        switch = {"name": self.vswitch, "address": "198.51.100.1/24", "dhcp": {"ranges": ranges}}
        pool = {"name": self.pool, "type": "dir", "path": str(FOLDER)}
        self.run("host_config", {"storage_pools": [pool], "vswitches": [switch]})

    def run(self, module: str, args: Args, check: bool = False) -> Result:
        done = self.modules.run(module, args, check)
        assert not done.get("failed"), done["msg"]
        return done

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def close(self) -> None:
        remove_all(self.libvirtd.uri, PREFIX)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def site(private_libvirtd: PrivateLibvirtd, modules: ModuleServer) -> Iterator[Site]:
    site = Site(private_libvirtd, modules)
    yield site
    site.close()


class Machine:
    """One VM of a site."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        self.name = PREFIX + name
        self.guest = TinyGuest(self.name, site.libvirtd.uri, site.libvirtd.outside)

    def set(self, **options: Any) -> Result:
        """Declare options: check mode says what the run does, and a second one does nothing."""
        args = {"name": self.name, **options}
        predicted = self.site.run("vm", args, check=True)
        done = self.site.run("vm", args)
        for part in ("plan", "diff", "pending_restart"):
            assert predicted[part] == done[part], part
        again = self.site.run("vm", args)
        assert (again["changed"], again["plan"]) == (False, []), again["plan"]
        return done

    def refused(self, **options: Any) -> str:
        """What is said of options that cannot be."""
        done = self.site.modules.run("vm", {"name": self.name, **options})
        assert done.get("failed"), done
        return str(done["msg"])

    def boots(self, **options: Any) -> Machine:
        """A tiny guest that is up."""
        self.set(
            virt_type="qemu",
            memory={"size": "256MiB"},
            boot=self.site.boot,
            channels=[{"name": CHANNEL}],
            state="running",
            **options,
        )
        self.guest.wait_ready()
        return self

    def xml(self, *flags: str) -> ET.Element:
        """What runs, or with --inactive what is stored."""
        return ET.fromstring(self.site.libvirtd.virsh("dumpxml", self.name, *flags))

    def define(self, xml: str) -> None:
        self.site.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=xml)

    def state(self) -> str:
        return self.guest.state()

    def exists(self) -> bool:
        return self.name in self.site.libvirtd.virsh("list", "--all", "--name").split()


def classes(done: Result) -> dict[str, str]:
    """The class of each change."""
    return {change["field"]: change["class"] for change in done["plan"]}


# ---- a guest that runs


@pytest.fixture(scope="module")
def live(site: Site) -> Machine:
    """A guest that runs for as long as the tests of this module need it."""
    nics = [{"name": "lan", "vswitch": site.vswitch}]
    # A disk on this bus brings its controller, to which others can then be plugged.
    disks = [{"name": "first", "pool": site.pool, "capacity": "4MiB", "bus": "scsi"}]
    return Machine(site, "live").boots(
        cpu={"count": 1, "maximum": 3}, nics=nics, disks=disks, cdroms=[{"name": "cd"}]
    )


@pytest.mark.boots_guest
def test_it_is_as_declared(live: Machine) -> None:
    report = live.guest.report()
    assert (report["cpus"], report["installed_memory_mib"]) == (1, 256)
    assert [disk["size"] for disk in report["disks"] if not disk["removable"]] == [4 * MIB]
    assert live.guest.wait_address().startswith("198.51.100.1")


@pytest.mark.boots_guest
def test_cpus_come_while_it_runs(live: Machine) -> None:
    done = live.set(cpu={"count": 2})
    assert classes(done) == {"cpu.count": "live"} and not done["pending_restart"]
    assert live.site.libvirtd.virsh("vcpucount", live.name, "--live", "--active") == "2"
    # Linux 6.12 (Debian 13) has no room for CPUs that the firmware tells as not yet there.
    release = [int(number) for number in live.guest.report()["kernel"].split(".")[:2]]
    if release < TAKES_NO_CPUS:
        live.guest.wait_report("two CPUs", lambda report: report["cpus"] == 2)


@pytest.mark.boots_guest
def test_memory_goes_and_comes_with_the_balloon(live: Machine) -> None:
    before = live.guest.report()["memory_kib"]
    assert classes(live.set(memory={"size": "224MiB"})) == {"memory.size": "live"}
    live.guest.wait_report("32 MiB less", lambda r: r["memory_kib"] == before - 32 * 1024)
    live.set(memory={"size": "256MiB"})
    live.guest.wait_report("all of it", lambda r: r["memory_kib"] == before)


@pytest.mark.boots_guest
@pytest.mark.parametrize("bus", ["virtio", "scsi"])
def test_a_disk_comes_grows_and_goes(live: Machine, bus: str) -> None:
    disk = {"name": bus, "pool": live.site.pool, "serial": f"S-{bus}", "bus": bus}

    def size() -> int:
        return sum(d["size"] for d in live.guest.report()["disks"] if d["serial"] == f"S-{bus}")

    done = live.set(disks=[{**disk, "capacity": "8MiB"}])
    assert classes(done)[f"disks.{bus}"] == "hotplug"
    live.guest.wait_report("the disk", lambda _report: size() == 8 * MIB)
    written = live.guest.write(f"S-{bus}", 0, 100, "kept")
    live.set(disks=[{**disk, "capacity": "16MiB"}])
    live.guest.wait_report("16 MiB", lambda _report: size() == 16 * MIB)
    assert live.guest.checksum(f"S-{bus}", 0, 100) == written
    assert classes(live.set(disks=[{"name": bus, "state": "absent"}])) == {
        f"disks.{bus}": "hotplug"
    }
    live.guest.wait_report("no such disk", lambda _report: size() == 0)
    assert f"{live.name}-{bus}.qcow2" in live.site.files()  # removal of a disk keeps its volume


@pytest.mark.boots_guest
def test_a_disk_comes_beside_one_that_others_plugged_in(live: Machine) -> None:
    theirs = FOLDER / "theirs.img"
    live.site.libvirtd.outside(theirs).write_bytes(bytes(MIB))
    live.site.libvirtd.virsh("attach-disk", live.name, str(theirs), "vda", "--live")
    done = live.set(disks=[{"name": "late", "pool": live.site.pool, "capacity": "4MiB"}])
    assert classes(done)["disks.late"] == "hotplug"
    for xml in (live.xml(), live.xml("--inactive")):
        late = xml.find("devices/disk/alias[@name='ua-disk-late']/../target")
        assert late.get("dev") == "vdb"
    gone = live.set(disks=[{"name": "late", "state": "absent"}])
    assert classes(gone)["disks.late"] == "hotplug"
    live.site.libvirtd.virsh("detach-disk", live.name, "vda", "--live")


@pytest.mark.boots_guest
def test_a_nic_comes_changes_and_goes(live: Machine) -> None:
    nic = {"name": "more", "vswitch": live.site.vswitch, "mac": "52:54:00:aa:bb:01"}

    def link() -> bool | None:
        return (live.guest.nic(nic["mac"]) or {}).get("link")

    assert classes(live.set(nics=[nic])) == {"nics.more": "hotplug"}
    live.guest.wait_address(nic["mac"])
    assert classes(live.set(nics=[{**nic, "link": "down"}])) == {"nics.more.link": "live"}
    live.guest.wait_report("no link", lambda _report: link() is False)
    live.set(nics=[{**nic, "link": "up"}])
    live.guest.wait_report("a link", lambda _report: link() is True)
    live.set(nics=[{"name": "lan", "vswitch": live.site.vswitch}], purge=True)
    live.guest.wait_report("one NIC", lambda report: len(report["nics"]) == 1)


@pytest.mark.boots_guest
def test_a_nic_moves_to_another_vswitch(live: Machine) -> None:
    other = f"{PREFIX}b"
    ranges = [{"start": "203.0.113.9", "end": "203.0.113.12"}]
    switch = {"name": other, "address": "203.0.113.1/28", "dhcp": {"ranges": ranges}}
    live.site.run("vswitch", switch)
    done = live.set(nics=[{"name": "lan", "vswitch": other}])
    assert classes(done) == {"nics.lan.vswitch": "live"}
    live.guest.renew_dhcp("eth0")
    live.guest.wait_report(
        "an address there", lambda _report: live.guest.wait_address().startswith("203.0.113.")
    )
    live.set(nics=[{"name": "lan", "vswitch": live.site.vswitch}])


@pytest.mark.boots_guest
def test_media_and_limits_change(live: Machine) -> None:
    (live.site.folder / "media.iso").write_bytes(bytes(2 * MIB))
    done = live.set(cdroms=[{"name": "cd", "file": f"{FOLDER}/media.iso"}])
    assert classes(done) == {"cdroms.cd.file": "live"}
    cdrom = live.xml().find("devices/disk[@device='cdrom']")
    assert cdrom.find("source").get("file") == f"{FOLDER}/media.iso"
    live.set(cdroms=[{"name": "cd", "file": ""}])
    source = live.xml().find("devices/disk[@device='cdrom']/source")
    assert source is None or source.get("file") is None
    limits = {"total_iops": 400, "total_bandwidth": "8MiB"}
    assert set(classes(live.set(disks=[{"name": "first", "limits": limits}])).values()) == {"live"}
    target = live.xml().find("devices/disk[@device='disk']/target").get("dev")
    told = live.site.libvirtd.virsh("blkdeviotune", live.name, target)
    limits = dict(re.findall(r"(\w+)\s*:\s*(\d+)", told))
    assert (limits["total_iops_sec"], limits["total_bytes_sec"]) == ("400", str(8 * MIB))


@pytest.mark.boots_guest
def test_a_medium_that_others_ejected_or_put_in_is_set_right(live: Machine) -> None:
    medium, other = (f"{FOLDER}/{name}.iso" for name in ("declared", "other"))
    for path in (medium, other):
        live.site.libvirtd.outside(Path(path)).write_bytes(bytes(2 * MIB))
    live.set(cdroms=[{"name": "cd", "file": medium}])
    target = live.xml().find("devices/disk[@device='cdrom']/target").get("dev")
    media = ("change-media", live.name, target, "--live", "--force")
    live.site.libvirtd.virsh(*media, "--eject")
    assert _diff_of(live.set(cdroms=[{"name": "cd", "file": medium}])) == ('file: ""', medium)
    live.site.libvirtd.virsh(*media, other, "--update")
    assert _diff_of(live.set(cdroms=[{"name": "cd", "file": medium}])) == (f"file: {other}", medium)
    assert live.xml().find("devices/disk[@device='cdrom']/source").get("file") == medium
    live.set(cdroms=[{"name": "cd", "file": ""}])
    live.site.libvirtd.virsh(*media, other, "--insert")
    assert _diff_of(live.set(cdroms=[{"name": "cd", "file": ""}])) == (f"file: {other}", '""')


def _diff_of(done: Result) -> tuple[str, str]:
    """The line before, and the value after it, of a medium that is stored so already."""
    before, after = (done["diff"][0][side].strip().split("\n")[-1] for side in ("before", "after"))
    value, _said, comment = after.strip().removeprefix("file: ").partition("  # ")
    assert comment == "live: stored so already"
    return before.strip(), value


@pytest.mark.boots_guest
def test_words_about_it_change(live: Machine) -> None:
    live.set(title="A <title>", description="two\nlines", tags={"env": "test"}, on_crash="restart")
    for xml in (live.xml(), live.xml("--inactive")):
        assert (xml.findtext("title"), xml.findtext("description")) == ("A <title>", "two\nlines")
        assert xml.findtext("on_crash") == "restart"
        assert '"env": "test"' in ET.tostring(xml, encoding="unicode")


@pytest.mark.boots_guest
def test_pausing_saving_and_resuming_go_on_where_it_was(live: Machine) -> None:
    boot = live.guest.report()["boot_id"]
    live.set(state="paused")
    assert live.state() == "paused"
    live.set(state="running")
    live.set(state="saved")
    assert live.state() == "shut off" and "yes" in _saved(live)
    # It is restored as it was saved: what changes meanwhile waits.
    done = live.set(state="saved", cpu={"maximum": 4})
    assert [change["field"] for change in done["pending_restart"]] == ["cpu.maximum"]
    live.set(state="running")
    assert live.guest.wait_ready()["boot_id"] == boot
    assert live.xml("--inactive").findtext("vcpu") == "4"
    assert live.xml().findtext("vcpu") == "3"


@pytest.mark.boots_guest
def test_what_was_paused_when_it_was_saved_runs_again(live: Machine) -> None:
    boot = live.guest.report()["boot_id"]
    live.set(state="paused")
    live.set(state="saved")
    nic = {"name": "more", "vswitch": live.site.vswitch, "mac": "52:54:00:aa:bb:02"}
    # It is woken first, and is changed as one that runs.
    assert classes(live.set(state="running", nics=[nic])) == {
        "nics.more": "hotplug",
        "state": "live",
    }
    assert live.guest.wait_ready()["boot_id"] == boot
    live.guest.wait_report("another NIC", lambda _report: live.guest.nic(nic["mac"]))
    live.set(state="paused")
    done = live.set(state="running", nics=[{"name": "more", "state": "absent"}])
    assert classes(done) == {"nics.more": "hotplug", "state": "live"}
    live.guest.wait_report("one NIC", lambda report: len(report["nics"]) == 1)


@pytest.mark.boots_guest
def test_a_disk_takes_the_place_of_another(live: Machine) -> None:
    pool = live.site.pool
    live.set(disks=[{"name": "out", "pool": pool, "capacity": "4MiB", "serial": "OUT"}])
    come = {"name": "in", "pool": pool, "capacity": "4MiB", "serial": "IN"}
    done = live.set(disks=[come, {"name": "out", "state": "absent"}])
    assert {name: found for name, found in classes(done).items() if name.startswith("disks")} == {
        "disks.in": "hotplug",
        "disks.out": "hotplug",
    }
    targets = [xml.find("devices/disk[serial='IN']/target").get("dev")
               for xml in (live.xml(), live.xml("--inactive"))]  # fmt: skip
    assert targets == ["vda", "vda"]  # the one that the other had left

    def serials() -> set[str]:
        return {disk["serial"] for disk in live.guest.report()["disks"]}

    live.guest.wait_report("only the new one", lambda _: serials() & {"IN", "OUT"} == {"IN"})
    live.set(disks=[{"name": "in", "state": "absent"}])


def _saved(machine: Machine) -> str:
    info = machine.site.libvirtd.virsh("dominfo", machine.name)
    return next(line for line in info.splitlines() if line.startswith("Managed save"))


@pytest.mark.boots_guest
def test_what_cannot_change_now_waits_for_a_restart(live: Machine) -> None:
    boot = live.guest.report()["boot_id"]
    done = live.set(memory={"maximum": "384MiB"}, cpu={"maximum": 5}, disks=[_sata(live)])
    assert set(classes(done).values()) == {"restart", "stored", "live"}  # those of the volume
    waiting = {change["field"] for change in done["pending_restart"]}
    assert waiting == {"memory.maximum", "cpu.maximum", "disks.sata"}
    later = live.set(title="later", apply="next_boot")
    assert classes(later) == {"title": "restart"}
    assert {change["field"] for change in later["pending_restart"]} == {*waiting, "title"}
    assert live.guest.report()["boot_id"] == boot
    live.set(state="paused")
    done = live.set(state="running", apply="restart", shutdown={"timeout_s": 240})
    assert [change["after"] for change in done["plan"]] == ["running", "restarted"]
    assert not done["pending_restart"]
    live.guest.wait_reboot(boot)
    report = live.guest.report()
    assert report["installed_memory_mib"] == 384
    assert live.xml().findtext("vcpu") == "5" and live.xml().findtext("title") == "later"


def _sata(machine: Machine) -> Args:
    return {"name": "sata", "pool": machine.site.pool, "capacity": "4MiB", "bus": "sata"}


@pytest.mark.boots_guest
def test_it_shuts_down_and_goes_with_its_own_storage_only(live: Machine) -> None:
    done = live.set(state="stopped", shutdown={"timeout_s": 240, "on_timeout": "fail"})
    assert classes(done) == {"state": "live"}
    assert live.state() == "shut off"
    live.set(state="absent", remove_storage=True)
    assert not live.exists()
    files = live.site.files()
    assert {f"{live.name}-first.qcow2", f"{live.name}-sata.qcow2"}.isdisjoint(files)
    # Those were taken from the VM before, so they are not its own any more.
    assert {f"{live.name}-virtio.qcow2", f"{live.name}-scsi.qcow2", "media.iso"} <= files


# ---- power


@pytest.fixture
def deaf(site: Site) -> Iterator[Machine]:
    """A VM without a system: it runs, and hears nothing."""
    machine = Machine(site, "deaf")
    machine.set(virt_type="qemu", memory={"size": "64MiB"}, state="running")
    yield machine
    site.libvirtd.try_run(["virsh", "destroy", machine.name])
    machine.set(state="absent")


def test_a_guest_that_does_not_shut_down_is_reported(deaf: Machine) -> None:
    told = deaf.refused(state="stopped", shutdown={"timeout_s": 2})
    assert "did not shut down within 2 s" in told and "power_off" in told
    assert deaf.state() == "running"


def test_a_guest_that_does_not_shut_down_is_switched_off(deaf: Machine) -> None:
    deaf.set(state="stopped", shutdown={"timeout_s": 2, "on_timeout": "power_off"})
    assert deaf.state() == "shut off"


def test_a_vm_that_runs_goes_as_told(deaf: Machine) -> None:
    assert "did not shut down" in deaf.refused(state="absent", shutdown={"timeout_s": 2})
    assert deaf.exists()
    deaf.set(state="absent", shutdown={"timeout_s": 2, "on_timeout": "power_off"})
    assert not deaf.exists()


def test_a_protected_vm_stays(deaf: Machine) -> None:
    deaf.set(protected=True)
    assert "is protected; set protected to false first" in deaf.refused(state="absent")
    assert deaf.exists()
    deaf.set(protected=False)


# ---- networks of the host


def test_a_nic_on_a_vswitch_that_is_a_bridge_of_the_host(site: Site, deaf: Machine) -> None:
    site.libvirtd.run(["ip", "link", "add", "vmt-host", "type", "bridge"])
    try:
        vswitch = {"name": f"{PREFIX}host", "type": "bridge", "bridge": "vmt-host"}
        site.run("vswitch", vswitch)
        nic = {"name": "prod", "vswitch": vswitch["name"]}
        assert classes(deaf.set(nics=[nic])) == {"nics.prod": "hotplug"}
        assert classes(deaf.set(nics=[{**nic, "link": "down"}])) == {"nics.prod.link": "live"}
        for xml in (deaf.xml(), deaf.xml("--inactive")):
            source = xml.find("devices/interface/source")
            assert source is not None and source.get("network") == vswitch["name"]
        site.libvirtd.virsh("destroy", deaf.name)
        deaf.set(nics=[{"name": "prod", "state": "absent"}])
        site.run("vswitch", {"name": vswitch["name"], "state": "absent"})
    finally:
        site.libvirtd.run(["ip", "link", "del", "vmt-host"])


def test_a_port_group_waits_where_it_makes_no_difference(site: Site, deaf: Machine) -> None:
    groups = [{"name": "plain"}, {"name": "other"}]
    switches = [f"{PREFIX}grouped", f"{PREFIX}grouped2"]
    for name in switches:
        site.run("vswitch", {"name": name, "type": "isolated", "port_groups": groups})
    nic = {"name": "lan", "vswitch": switches[0], "port_group": "plain"}
    deaf.set(nics=[nic])
    other = {**nic, "port_group": "other"}
    assert classes(deaf.set(nics=[other])) == {"nics.lan.port_group": "restart"}
    moved = {**nic, "vswitch": switches[1]}
    done = deaf.set(nics=[moved])
    assert classes(done) == {"nics.lan.vswitch": "live", "nics.lan.port_group": "stored"}
    moved = {**other, "vswitch": switches[0]}
    done = deaf.set(nics=[moved])
    effect = "restart" if libvirt.getVersion() >= HOLDS_GROUPS else "live"
    assert classes(done) == {"nics.lan.vswitch": effect, "nics.lan.port_group": effect}
    done = deaf.set(nics=[{**moved, "link": "down"}])
    assert classes(done) == {"nics.lan.link": "live"}
    site.libvirtd.virsh("destroy", deaf.name)
    deaf.set(nics=[{"name": "lan", "state": "absent"}])
    for name in switches:
        site.run("vswitch", {"name": name, "state": "absent"})


# ---- firmware and storage


def test_uefi_comes_with_a_variable_store_that_goes_with_the_storage(site: Site) -> None:
    machine = Machine(site, "efi")
    machine.set(virt_type="qemu", memory={"size": "192MiB"}, firmware="efi", state="paused")
    nvram = site.libvirtd.outside(machine.xml().findtext("os/nvram"))
    assert nvram.exists()
    off = {"timeout_s": 1, "on_timeout": "power_off"}
    machine.set(state="absent", shutdown=off, remove_storage=True)
    assert not nvram.exists()


def test_firmware_changes_both_ways(site: Site) -> None:
    machine = Machine(site, "firmware")
    machine.set(virt_type="qemu", memory={"size": "192MiB"})
    machine.set(firmware="efi", state="paused")
    assert machine.xml().find("os/loader").get("type") == "pflash"
    machine.set(state="stopped", shutdown={"timeout_s": 1, "on_timeout": "power_off"})
    machine.set(firmware="bios", state="paused")
    assert machine.xml().find("os/loader") is None
    machine.set(state="absent", shutdown={"timeout_s": 1, "on_timeout": "power_off"})


def test_only_the_storage_of_its_own_goes(site: Site) -> None:
    machine = Machine(site, "owner")
    for name, form in (("base.qcow2", "qcow2"), ("shared.raw", "raw"), ("outside.raw", "raw")):
        site.run(
            "storage_volume",
            {"pool": site.pool, "name": name, "capacity": "4MiB", "format": form},
        )
    disks = [
        {"name": "clone", "pool": site.pool, "backing": {"volume": "base.qcow2"}},
        {"name": "own", "pool": site.pool, "capacity": "2MiB"},
        {"name": "shared", "pool": site.pool, "volume": "shared.raw", "shareable": True},
        {"name": "read", "pool": site.pool, "volume": "outside.raw", "read_only": True},
    ]
    machine.set(virt_type="qemu", memory={"size": "64MiB"}, disks=disks)
    machine.set(state="absent", remove_storage=True)
    files = site.files()
    assert {f"{machine.name}-clone.qcow2", f"{machine.name}-own.qcow2"}.isdisjoint(files)
    assert {"base.qcow2", "shared.raw", "outside.raw"} <= files


def test_storage_stays_unless_its_removal_is_written(site: Site) -> None:
    machine = Machine(site, "keeper")
    disks = [{"name": "data", "pool": site.pool, "capacity": "2MiB"}]
    machine.set(virt_type="qemu", memory={"size": "64MiB"}, disks=disks)
    machine.set(state="absent")
    assert f"{machine.name}-data.qcow2" in site.files()


def test_a_vm_that_is_made_again_is_the_same(site: Site) -> None:
    machine = Machine(site, "again")
    nics = [{"name": "lan", "vswitch": site.vswitch}]
    identities = set()
    for _time in range(2):
        machine.set(virt_type="qemu", memory={"size": "64MiB"}, nics=nics)
        xml = machine.xml()
        mac = xml.find("devices/interface/mac").get("address")
        identities.add((xml.findtext("uuid"), mac))
        machine.set(state="absent")
    assert len(identities) == 1


# ---- what others wrote

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"

# As virt-install writes it: no aliases of users, boot by kind of device, its own metadata.
VIRT_INSTALL = """
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
  </metadata>
  <memory unit='KiB'>131072</memory>
  <vcpu placement='static'>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/></features>
  <clock offset='utc'><timer name='rtc' tickpolicy='catchup'/></clock>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='{folder}/{name}.qcow2'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
    <interface type='network'>
      <mac address='52:54:00:11:22:33'/><source network='{vswitch}'/><model type='virtio'/>
    </interface>
    <graphics type='vnc' port='-1' autoport='yes' passwd='s3cret'/>
    <sound model='ich9'/>
    <input type='tablet' bus='usb'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
  <qemu:commandline><qemu:env name='MARK' value='1'/></qemu:commandline>
</domain>
"""


@pytest.fixture
def foreign(site: Site) -> Iterator[Machine]:
    """A VM that something else has made."""
    machine = Machine(site, "foreign")
    image = f"{machine.name}.qcow2"
    volume = {"pool": site.pool, "name": image, "capacity": "4MiB"}
    site.run("storage_volume", volume)
    text = VIRT_INSTALL.format(name=machine.name, folder=FOLDER, vswitch=site.vswitch)
    machine.define(text)
    yield machine
    machine.set(state="absent")
    site.run("storage_volume", {**volume, "state": "absent"})


def _rest(xml: ET.Element, *managed: str) -> str:
    """A definition without what an edit is about."""
    for path in managed:
        above, _slash, tag = path.rpartition("/")
        parent = xml.find(above) if above else xml
        for child in parent.findall(tag) if parent is not None else ():
            parent.remove(child)
    return ET.canonicalize(ET.tostring(xml, encoding="unicode"), strip_text=True)


def test_a_foreign_vm_is_edited_without_loss(foreign: Machine) -> None:
    before = _rest(foreign.xml("--inactive", "--security-info"), "title", "vcpu", "memory",
                   "currentMemory")  # fmt: skip
    done = foreign.set(title="Adopted", cpu={"count": 3}, memory={"size": "160MiB"})
    assert not done["pending_restart"]
    after = foreign.xml("--inactive", "--security-info")
    assert (after.findtext("title"), after.findtext("vcpu")) == ("Adopted", "3")
    assert _rest(after, "title", "vcpu", "memory", "currentMemory") == before


def test_foreign_devices_are_known_by_target_and_mac(foreign: Machine) -> None:
    mac = "52:54:00:11:22:33"
    nics = [{"name": "lan", "mac": mac, "link": "down"}]
    disks = [{"name": "vda", "cache": "none"}]
    done = foreign.set(disks=disks, nics=nics)
    assert classes(done) == {"disks.vda.cache": "stored", f"nics.{mac}.link": "stored"}
    disks = foreign.xml("--inactive").findall("devices/disk")
    assert len(disks) == 2 and disks[0].find("driver").get("cache") == "none"
    assert disks[0].find("driver").get("discard") == "unmap"
    [nic] = foreign.xml("--inactive").findall("devices/interface")
    assert nic.find("link").get("state") == "down"


def test_a_password_survives_an_edit(foreign: Machine) -> None:
    done = foreign.set(graphics={"listen": "127.0.0.1"})
    assert "s3cret" not in str(done)
    graphics = foreign.xml("--inactive", "--security-info").find("devices/graphics")
    assert (graphics.get("passwd"), graphics.get("listen")) == ("s3cret", "127.0.0.1")


def test_extra_xml_comes_changes_and_goes(foreign: Machine) -> None:
    sound = "<devices><sound model='ac97'/></devices>"
    hub = "<devices><hub type='usb'/></devices>"
    argument = "<qemu:commandline><qemu:arg value='-no-user-config'/></qemu:commandline>"

    def there() -> tuple[list[str], int, list[str]]:
        xml = foreign.xml("--inactive")
        sounds = [sound.get("model", "") for sound in xml.findall("devices/sound")]
        arguments = [arg.get("value", "") for arg in xml.findall(f"{QEMU}commandline/{QEMU}arg")]
        return sounds, len(xml.findall("devices/hub")), arguments

    foreign.set(extra_xml=sound + argument)
    assert there() == (["ich9", "ac97"], 0, ["-no-user-config"])
    foreign.set(extra_xml=hub)
    assert there() == (["ich9"], 1, [])
    foreign.set(extra_xml="")
    assert there() == (["ich9"], 0, [])
    environment = foreign.xml("--inactive").find(f"{QEMU}commandline/{QEMU}env")
    assert environment is not None and environment.get("name") == "MARK"


def test_a_definition_that_libvirt_refuses_changes_nothing(foreign: Machine) -> None:
    """libvirt alone knows what may stand in its XML: this is told by the run."""
    before = foreign.site.libvirtd.virsh("dumpxml", foreign.name)
    told = foreign.refused(extra_xml="<devices><nonsense/></devices>")
    assert "failed to validate" in told and "Traceback" not in told
    assert foreign.site.libvirtd.virsh("dumpxml", foreign.name) == before


def test_a_transient_vm_is_refused(site: Site) -> None:
    machine = Machine(site, "transient")
    xml = f"""<domain type='qemu'><name>{machine.name}</name><memory>65536</memory>
        <os><type>hvm</type></os></domain>"""
    site.libvirtd.run(["virsh", "create", "/dev/stdin", "--paused"], stdin=xml)
    assert "store it first (virsh dumpxml" in machine.refused(title="x")
    site.libvirtd.virsh("destroy", machine.name)


def test_what_it_returns_is_what_a_user_writes(foreign: Machine) -> None:
    told = foreign.set(title="Returned")["vm"]
    assert (told["name"], told["state"], told["title"]) == (foreign.name, "stopped", "Returned")
    assert told["memory"]["size"] == "128MiB" and told["cpu"]["count"] == 2
    assert [disk["name"] for disk in told["disks"]] == ["vda"]
    assert "s3cret" not in str(told)


@pytest.mark.boots_guest
def test_a_guest_that_starts_anew_can_be_stopped(site: Site) -> None:
    """libvirt makes a reboot of every shutdown of such a guest."""
    machine = Machine(site, "anew").boots(on_poweroff="restart")
    done = machine.set(title="changed", machine="q35", cpu={"maximum": 2}, apply="restart")
    notes = {change["field"]: change.get("note", "") for change in done["plan"]}
    assert notes["power"].endswith("; on_poweroff is destroy for this once")
    machine.guest.wait_ready()
    done = machine.set(state="stopped")
    notes = {change["field"]: change.get("note", "") for change in done["plan"]}
    assert notes["state"] == "shutdown, on_poweroff is destroy for this once"
    assert machine.xml("--inactive").findtext("on_poweroff") == "restart"

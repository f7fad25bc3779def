"""What goes with a VM and what stays of it, on a real libvirtd: all of it is in the plan."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.derived import derived_uuid
from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd, wait_until

Args = dict[str, Any]
Result = dict[str, Any]

OFF = {"timeout_s": 1, "on_timeout": "power_off"}


class Machine:
    """One VM, declared again and again."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, folder: Path
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.prefix = prefix
        self.name = f"{prefix}web"
        self.folder = folder
        self.pool = {"name": f"{prefix}pool", "type": "dir", "path": str(folder)}
        self.disk = {"name": "root", "pool": self.pool["name"], "capacity": "2MiB"}
        self.nvram = f"/var/lib/libvirt/qemu/nvram/{self.name}_VARS.fd"

    def set(self, **options: Any) -> Result:
        """Declare it: check mode says what the run does, and a second run does nothing."""
        predicted = self.run(check=True, **options)
        done = self.run(**options)
        for part in ("plan", "diff", "summary"):
            assert predicted[part] == done[part], part
        again = self.run(**options)
        assert (again["changed"], again["plan"]) == (False, []), again["plan"]
        return done

    def run(self, check: bool = False, **options: Any) -> Result:
        done = self.modules.run("vm", {"name": self.name, **options}, check)
        assert not done.get("failed"), done["msg"]
        return done

    def come(self, **options: Any) -> Result:
        small = {"virt_type": "qemu", "memory": {"size": "64MiB"}}
        return self.set(**{**small, **options})

    def go(self, **options: Any) -> Result:
        return self.set(state="absent", shutdown=OFF, **options)

    def make_pool(self) -> None:
        done = self.modules.run("storage_pool", self.pool, False)
        assert not done.get("failed"), done["msg"]

    def file(self, path: str) -> Path:
        return self.libvirtd.outside(path)

    @property
    def tpm(self) -> str:
        """Where the state of its TPM is, by the UUID that its name gives it."""
        return f"/var/lib/libvirt/swtpm/{derived_uuid(self.name)}"

    def clone(self, name: str) -> str:
        """Define it once more under another name, as somebody does by hand."""
        xml = self.libvirtd.virsh("dumpxml", "--inactive", self.name)
        xml = re.sub(r"<uuid>.*</uuid>", "", xml.replace(f"<name>{self.name}", f"<name>{name}"))
        self.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=xml)
        return name

    def state(self) -> str:
        return self.libvirtd.virsh("domstate", self.name)

    def exists(self) -> bool:
        return self.name in self.libvirtd.virsh("list", "--all", "--name").split()


@pytest.fixture
def machine(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, images: Path) -> Machine:
    return Machine(libvirtd, modules, prefix, images)


def told(done: Result) -> dict[str, Any]:
    """What becomes of each field of the VM itself."""
    return {c["field"]: c["after"] for c in done["plan"] if c["resource"].startswith("vm/")}


@pytest.fixture
def secured(machine: Machine) -> Machine:
    """A VM with UEFI variables and a TPM, in both of which something is written."""
    memory = {"size": "192MiB"}
    machine.come(memory=memory, firmware="efi", tpm={"model": "tpm-crb"}, state="paused")
    machine.libvirtd.virsh("destroy", machine.name)
    assert machine.file(machine.nvram).exists() and machine.file(machine.tpm).exists()
    machine.file(machine.nvram).write_bytes(b"boots from disk 2")
    (machine.file(machine.tpm) / "tpm2" / "mark").write_text("sealed")
    return machine


def test_nvram_and_tpm_state_stay_and_are_found_again(secured: Machine) -> None:
    done = secured.go()
    assert told(done) == {"state": "absent", "nvram": "kept", "tpm_state": "kept"}
    assert {c["before"] for c in done["plan"]} == {"stopped", secured.nvram, secured.tpm}
    assert done["summary"] == f"plan: 1 change (1 live); removes: vm/{secured.name}"
    assert "+nvram" not in done["diff"][0]["after"] and "nvram: kept" in done["diff"][0]["after"]
    memory = {"size": "192MiB"}
    predicted = secured.run(check=True, virt_type="qemu", memory=memory, firmware="efi")
    warning = str(predicted["warnings"])
    assert f"takes up the NVRAM of an earlier VM at {secured.nvram}" in warning
    done = secured.run(virt_type="qemu", memory=memory, firmware="efi", tpm={"model": "tpm-crb"})
    assert len(done["warnings"]) == 2 and secured.tpm in str(done["warnings"])
    assert secured.file(secured.nvram).read_bytes() == b"boots from disk 2"
    assert (secured.file(secured.tpm) / "tpm2" / "mark").read_text() == "sealed"
    secured.go(remove_storage=True)


def test_nvram_and_tpm_state_go_with_the_storage(secured: Machine) -> None:
    done = secured.go(remove_storage=True)
    assert told(done) == {"state": "absent", "nvram": "absent", "tpm_state": "absent"}
    assert done["summary"].endswith(
        f"; removes: vm/{secured.name}, vm/{secured.name} nvram, vm/{secured.name} tpm_state"
    )
    assert not secured.file(secured.nvram).exists() and not secured.file(secured.tpm).exists()


def test_nvram_that_another_vm_names_stays(secured: Machine) -> None:
    xml = secured.libvirtd.virsh("dumpxml", "--inactive", secured.name)
    loader = secured.libvirtd.virsh("domcapabilities", "--machine", "q35")
    [code] = re.findall(r"<value>(\S*/OVMF_CODE_4M.fd)</value>", loader)
    xml = re.sub(r"<os firmware='efi'>", "<os>", xml)
    xml = re.sub(r"(?s)<firmware>.*</firmware>", "", xml)
    by_path = f"<loader readonly='yes' type='pflash'>{code}</loader><nvram>{secured.nvram}</nvram>"
    xml = xml if "<nvram" in xml else xml.replace("</type>", f"</type>{by_path}")
    secured.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=xml)
    other = secured.clone(f"{secured.prefix}copy")
    done = secured.go(remove_storage=True)
    assert told(done)["nvram"] == "kept"
    [note] = [c["note"] for c in done["plan"] if c["field"] == "nvram"]
    assert note == f"{other} uses it too"
    assert secured.file(secured.nvram).exists()


def test_no_vm_comes_to_have_the_nvram_of_another(machine: Machine) -> None:
    """A definition that was copied by hand names the file of the VM that it is a copy of."""
    other = f"{machine.prefix}copy"
    domain = f"""<domain type='qemu'><name>{other}</name><memory>65536</memory>
        <os><type machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/srv/code.fd</loader>
        <nvram>{machine.nvram}</nvram></os><features><acpi/></features></domain>"""
    machine.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=domain)
    wanted = {"name": machine.name, "virt_type": "qemu", "memory": {"size": "192MiB"}}
    efi = {**wanted, "firmware": "efi"}
    for module, args in (("vm", efi), ("host_config", {"vms": [efi]})):
        refused = machine.modules.run(module, args, False)
        assert refused.get("failed") and f"which is that of {other}" in refused["msg"], refused
    machine.come()
    machine.go()


def test_nvram_on_a_device_is_never_unlinked(machine: Machine) -> None:
    """libvirt 9.0 would remove the node of the device."""
    device = f"{machine.folder}/device"
    machine.libvirtd.run(["mknod", device, "b", "7", "99"])
    domain = f"""<domain type='qemu'><name>{machine.name}</name><memory>65536</memory>
        <os><type machine='q35'>hvm</type><loader readonly='yes' type='pflash'>/srv/code.fd</loader>
        <nvram type='block'><source dev='{device}'/></nvram></os>
        <features><acpi/></features></domain>"""
    machine.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=domain)
    assert told(machine.go(remove_storage=True)) == {"state": "absent", "nvram": "kept"}
    assert machine.file(device).exists()


def test_a_saved_vm_is_woken_to_end_in_order(machine: Machine) -> None:
    machine.come(state="running")
    machine.set(state="saved")
    save = machine.file(f"/var/lib/libvirt/qemu/save/{machine.name}.save")
    assert save.exists()
    refused = machine.modules.run(
        "vm", {"name": machine.name, "state": "absent", "shutdown": {"timeout_s": 1}}, False
    )
    assert "did not shut down within 1 s" in refused["msg"] and machine.exists()
    machine.set(state="saved")
    done = machine.go()
    [change] = done["plan"]
    assert (change["before"], change["note"]) == ("saved", "start, shutdown, its disks stay")
    assert not save.exists() and not machine.exists()


def test_saved_memory_goes_with_the_storage_and_is_in_the_plan(machine: Machine) -> None:
    machine.come(state="running")
    machine.set(state="saved")
    path = f"/var/lib/libvirt/qemu/save/{machine.name}.save"
    done = machine.go(remove_storage=True)
    assert told(done) == {"state": "absent", "saved_memory": "absent"}
    assert [c["before"] for c in done["plan"]] == ["saved", path]
    assert not machine.file(path).exists()


def test_what_is_known_of_snapshots_is_in_the_plan(machine: Machine) -> None:
    machine.make_pool()
    machine.come(disks=[machine.disk])
    machine.libvirtd.virsh("snapshot-create-as", machine.name, "before")
    done = machine.go()
    assert [(c["field"], c["before"]) for c in done["plan"]][1:] == [("snapshots", "before")]
    volume = machine.file(f"{machine.folder}/{machine.name}-root.qcow2")
    assert volume.exists()


def test_disks_that_stay_with_remove_storage_are_in_the_plan(machine: Machine) -> None:
    machine.make_pool()
    elsewhere = machine.libvirtd.outside("/var/lib/libvirt/images") / f"{machine.prefix}else"
    elsewhere.write_bytes(b"x")
    path = f"/var/lib/libvirt/images/{elsewhere.name}"
    shared = {**machine.disk, "name": "shared", "shareable": True, "format": "raw"}
    outside = {"name": "outside", "file": path, "format": "raw"}
    machine.come(disks=[machine.disk, shared, outside])
    done = machine.go(remove_storage=True)
    notes = {c["field"]: c["note"] for c in done["plan"] if c["after"] == "kept"}
    assert notes == {"disks.shared": "is shareable", "disks.outside": "is in no storage pool"}
    assert elsewhere.exists()
    elsewhere.unlink()
    assert [p.name for p in machine.file(str(machine.folder)).iterdir()] == [
        f"{machine.name}-shared.raw"
    ]


def test_what_a_killed_removal_has_left_goes(machine: Machine) -> None:
    """The disk that the VM wrote to is gone, the one that its snapshot kept and another are not."""
    machine.make_pool()
    machine.come(disks=[machine.disk, {**machine.disk, "name": "data"}])
    machine.libvirtd.virsh("snapshot-create-as", machine.name, "before", "--disk-only")
    machine.libvirtd.virsh("pool-refresh", str(machine.pool["name"]))
    volume = f"{machine.name}-root.before"
    machine.libvirtd.virsh("vol-delete", volume, "--pool", str(machine.pool["name"]))
    machine.go(remove_storage=True)
    assert list(machine.file(str(machine.folder)).iterdir()) == [] and not machine.exists()


def test_a_volume_that_cannot_go_keeps_the_definition(machine: Machine) -> None:
    machine.make_pool()
    machine.come(disks=[machine.disk, {**machine.disk, "name": "data"}])
    goes = {"name": machine.name, "state": "absent", "remove_storage": True}
    volume = machine.file(str(machine.folder)) / f"{machine.name}-data.qcow2"
    machine.libvirtd.run(["chattr", "+i", f"{machine.folder}/{volume.name}"])
    failed = machine.modules.run("vm", goes, False)
    machine.libvirtd.run(["chattr", "-i", f"{machine.folder}/{volume.name}"])
    assert failed.get("failed") and "stays defined" in failed["msg"], failed
    assert machine.exists() and [one.name for one in volume.parent.iterdir()] == [volume.name]
    machine.go(remove_storage=True)
    assert not volume.exists() and not machine.exists()


def test_a_transient_vm_goes_when_it_ends(machine: Machine) -> None:
    machine.come(state="running")
    machine.libvirtd.virsh("undefine", machine.name)
    [change] = machine.go()["plan"]
    assert (change["before"], change["after"]) == ("running", "absent")
    assert not machine.exists()


def test_a_protected_transient_vm_stays(machine: Machine) -> None:
    machine.come(state="running", protected=True)
    machine.libvirtd.virsh("undefine", machine.name)
    refused = machine.modules.run("vm", {"name": machine.name, "state": "absent"}, False)
    assert "is protected" in refused["msg"] and machine.exists()
    machine.libvirtd.virsh("destroy", machine.name)


def test_a_paused_vm_goes_in_order(machine: Machine) -> None:
    machine.come(state="paused")
    [change] = machine.go()["plan"]
    assert change["note"] == "resume, shutdown, its disks stay"
    assert not machine.exists()


@pytest.fixture
def crashed(machine: Machine) -> Machine:
    """A VM that is kept as its guest died: something tells QEMU's panic device that it did."""
    machine.come(state="running", on_crash="preserve", extra_xml=PANIC)
    machine.libvirtd.virsh("qemu-monitor-command", "--hmp", machine.name, "o /1 0x505 1")
    wait_until(lambda: machine.state() == "crashed", 30, "the VM to be crashed")
    return machine


PANIC = "<devices><panic model='isa'><address type='isa' iobase='0x505'/></panic></devices>"


def test_a_crashed_vm_goes_and_is_not_left_running_without_a_definition(crashed: Machine) -> None:
    [change] = crashed.go()["plan"]
    assert (change["before"], change["note"]) == ("crashed", "switch_off, its disks stay")
    assert not crashed.exists()


@pytest.mark.parametrize(
    ("state", "note"),
    [
        ("running", "switch_off, start"),
        ("paused", "switch_off, start_paused"),
        ("stopped", "switch_off"),
    ],
)
def test_a_crashed_vm_takes_a_state(crashed: Machine, state: str, note: str) -> None:
    [change] = crashed.set(state=state)["plan"]
    assert (change["before"], change["after"], change["note"]) == ("crashed", state, note)
    assert crashed.state() == {"stopped": "shut off"}.get(state, state)
    crashed.go()


def test_what_is_declared_of_a_crashed_vm_waits_for_its_start(crashed: Machine) -> None:
    [change] = crashed.set(title="dead")["plan"]
    assert change["class"] == "stored" and crashed.state() == "crashed"
    crashed.go()


def test_a_protected_vm_keeps_its_storage(machine: Machine) -> None:
    machine.make_pool()
    machine.come(disks=[machine.disk], protected=True)
    volume = f"{machine.name}-root.qcow2"
    goes = {"name": machine.name, "state": "absent", "remove_storage": True}
    away = {"name": volume, "pool": machine.pool["name"], "state": "absent"}
    for module, args, said in (
        ("vm", goes, "is protected"),
        ("host_config", {"vms": [goes]}, "is protected"),
        ("storage_volume", away, "is used by"),
        ("host_config", {"storage_volumes": [away], "vms": [goes]}, "is protected"),
    ):
        refused = machine.modules.run(module, args, False)
        assert refused.get("failed") and said in refused["msg"], refused
    assert machine.exists() and machine.file(f"{machine.folder}/{volume}").exists()

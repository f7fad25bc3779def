"""VMs that are made from a template: what they get of it, by plans without a host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import Fact
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import File
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND as VM
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all
from ansible_collections.kvm.fleet.plugins.module_utils.run.templates import completed
from support import worlds

UUID = "c6c7d6b1-0c0e-4d0e-9a55-9f6b0c6f1c11"
TEMPLATE = f'<fleet:template is="yes" uuid="{UUID}"/>'
BASE = f"""
<domain type='qemu'>
  <name>base</name>
  <uuid>{UUID}</uuid>
  <title>Debian 12</title>
  <metadata xmlns:fleet="urn:kvm.fleet:1">
    <fleet:resource managed="yes" protected="yes">{TEMPLATE}</fleet:resource>
  </metadata>
  <memory unit='KiB'>2097152</memory>
  <vcpu>3</vcpu>
  <os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <features><acpi/><apic/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='/images/base.qcow2'/>
      <target dev='sda' bus='scsi'/>
      <alias name='ua-disk-root'/>
    </disk>
    <interface type='bridge'>
      <mac address='52:54:00:01:02:03'/>
      <source bridge='br0'/>
      <model type='e1000e'/>
      <alias name='ua-nic-lan'/>
    </interface>
    <sound model='ich9'/>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
    <memballoon model='virtio'/>
  </devices>
</domain>
"""
VOLUME = (
    "<volume><name>base.qcow2</name><capacity>8388608</capacity><target>"
    "<path>/images/base.qcow2</path><format type='qcow2'/></target></volume>"
)
NVRAM = "/var/lib/libvirt/qemu/nvram"


def pool(name: str, path: str) -> Have:
    text = f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
    return Have("storage_pool", name, xmltree.parse(text), xmltree.parse(text), {})


def host(text: str = BASE, **facts: Any) -> World:
    """A host with a template on the volume images/base.qcow2."""
    base = Have(
        "vm",
        "base",
        xmltree.parse(text),
        facts={"state": facts.get("state", "stopped"), "autostart": False, "persistent": True},
    )
    volume = Have("storage_volume", "images/base.qcow2", xmltree.parse(VOLUME))
    there = {
        "vm": {"base": base},
        "storage_pool": {"images": pool("images", "/images"), "fast": pool("fast", "/fast")},
        "storage_volume": {volume.name: volume},
    }
    answers: dict[Fact, Any] = {
        ("volume_at", "/images/base.qcow2"): "images/base.qcow2",
        ("snapshots", "base"): [],
        ("snapshots", "web"): [],
    }
    return worlds.world(there, {**answers, **facts.get("answers", {})})


def plans(world: World, *declared: dict[str, Any]) -> dict[str, Plan]:
    """The plans for declarations of VMs, by their resources."""
    wanted = []
    for options in declared:
        checked = ArgumentSpecValidator(VM.spec()).validate(options)
        assert not checked.error_messages
        wanted += VM.parse(checked.validated_parameters)
    return {plan.resource: plan for plan in plan_all(world, completed(world, wanted))}


def new(**options: Any) -> dict[str, Any]:
    return {"name": "web", "from_template": "base", "sysprep": "none", **options}


def xml(plan: Plan, path: str) -> str | None:
    return xmltree.get(plan.after.definition, path)


def test_it_has_what_its_template_has() -> None:
    made = plans(host(), new())
    vm, volume = made["vm/web"], made["storage_volume/images/web-root.qcow2"]
    assert xml(vm, "vcpu") == "3"
    assert xml(vm, "currentMemory") == "2097152"
    assert xml(vm, "os/@firmware") == "efi"
    assert xml(vm, "devices/tpm/@model") == "tpm-crb"
    assert xml(vm, "devices/sound/@model") == "ich9"
    assert xml(vm, "devices/disk/target/@bus") == "scsi"
    assert xml(vm, "devices/disk/driver/@discard") == "unmap"
    assert xml(vm, "devices/disk/source/@file") == "/images/web-root.qcow2"
    assert xml(vm, "devices/interface/source/@bridge") == "br0"
    assert xml(volume, "backingStore/path") == "/images/base.qcow2"
    assert xml(volume, "capacity") == "8388608"


def test_and_nothing_that_is_its_templates_own() -> None:
    vm = plans(host(), new())["vm/web"]
    assert xml(vm, "uuid") != UUID
    assert xml(vm, "devices/interface/mac/@address") != "52:54:00:01:02:03"
    assert xml(vm, "title") is None
    assert VM.result(vm.after)["template"] is False
    assert VM.result(vm.after)["protected"] is False


def test_what_is_declared_counts() -> None:
    declared = new(
        cpu={"count": 1},
        disks=[{"name": "root", "pool": "fast", "capacity": "16MiB", "bus": "virtio"}],
        nics=[{"name": "lan", "bridge": "br1"}],
    )
    made = plans(host(), declared)
    vm, volume = made["vm/web"], made["storage_volume/fast/web-root.qcow2"]
    assert xml(vm, "vcpu/@current") in ("1", None)
    assert xml(vm, "devices/disk/source/@file") == "/fast/web-root.qcow2"
    assert xml(vm, "devices/disk/target/@bus") == "virtio"
    assert xml(vm, "devices/interface/source/@bridge") == "br1"
    assert xml(vm, "devices/interface/model/@type") == "e1000e"
    assert xml(volume, "backingStore/path") == "/images/base.qcow2"
    assert xml(volume, "capacity") == "16777216"


def test_a_full_clone_stands_on_nothing() -> None:
    made = plans(host(), new(clone="full"))
    volume = made["storage_volume/images/web-root.qcow2"]
    assert volume.wanted.options["copy_of"] == "images/base.qcow2"
    assert xml(volume, "backingStore/path") is None


def test_the_plan_says_from_what_it_is_made() -> None:
    vm = plans(host(), new())["vm/web"]
    [said] = [change for change in vm.changes if change.is_of("from_template")]
    assert (said.after, said.note) == ("base", "its disks are clones: images/web-root.qcow2")


def test_one_that_is_there_is_planned_by_what_it_says() -> None:
    """Its template may change, or go."""
    world = host()
    made = plans(world, new())
    volume = made["storage_volume/images/web-root.qcow2"].after
    web = Have(
        "vm",
        "web",
        made["vm/web"].after.stored,
        facts={"state": "stopped", "autostart": False, "persistent": True},
    )
    pools = {"images": pool("images", "/images")}
    without = worlds.world(
        {"vm": {"web": web}, "storage_volume": {volume.name: volume}, "storage_pool": pools},
        {("snapshots", "web"): []},
    )
    for declared in (new(), new(disks=[{"name": "root", "pool": "images"}])):
        again = plans(without, declared)["vm/web"]
        assert (list(again.changes), list(again.warnings)) == ([], [])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"from_template": "nobody"}, "there is no template nobody"),
        ({"from_template": "web"}, "is the VM itself"),
        ({"template": True}, "is for a VM that is used"),
        ({"sysprep": "cloud_init"}, "needs a seed; declare cloud_init"),
        ({"sysprep": "virt-sysprep"}, "has to run on the host"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(FleetErrors, match=said):
        plans(host(), new(**options))


def test_a_vm_that_is_no_template_is_none_to_clone() -> None:
    with pytest.raises(FleetErrors, match="base is no template"):
        plans(host(BASE.replace(TEMPLATE, "")), new())
    both = ({"name": "base", "template": True}, new())
    assert plans(host(BASE.replace(TEMPLATE, "")), *both)["vm/web"].changed


OF_ONE = """
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x0000' bus='0x03' slot='0x00' function='0x0'/></source>
      <alias name='ua-hostdev-gpu'/>
    </hostdev>
    <vsock model='virtio'><cid auto='no' address='7'/></vsock>"""
SYSINFO = f"""
  <sysinfo type='smbios'><system>
    <entry name='manufacturer'>Acme</entry>
    <entry name='serial'>S-1</entry>
    <entry name='uuid'>{UUID}</entry>
  </system></sysinfo>"""


def test_what_is_one_vms_alone_stays_the_templates() -> None:
    text = BASE.replace("<interface", f"{OF_ONE}<interface", 1)
    text = text.replace("<devices>", f"{SYSINFO}<devices>", 1)
    vm = plans(host(text.replace("</type>", "</type><smbios mode='sysinfo'/>")), new())["vm/web"]
    assert xml(vm, "devices/hostdev/@type") is None
    assert any("devices of the host, which stay its own: gpu" in one for one in vm.warnings)
    assert xml(vm, "devices/vsock/cid/@auto") == "yes"
    assert xml(vm, "sysinfo/system/entry[@name='manufacturer']") == "Acme"
    for name in ("serial", "uuid"):
        assert xml(vm, f"sysinfo/system/entry[@name='{name}']") is None


def test_numbers_of_its_own_are_all_that_a_template_says_of_its_system() -> None:
    own = SYSINFO.replace("<entry name='manufacturer'>Acme</entry>", "")
    text = BASE.replace("<devices>", f"{own}<devices>", 1)
    vm = plans(host(text.replace("</type>", "</type><smbios mode='sysinfo'/>")), new())["vm/web"]
    assert xml(vm, "sysinfo/@type") is None
    assert xml(vm, "os/smbios/@mode") is None


@pytest.mark.parametrize("state", ["running", "paused", "saved"])
def test_nothing_is_made_from_a_template_that_somebody_started(state: str) -> None:
    with pytest.raises(FleetErrors, match=f"base is {state}, and a template is never started"):
        plans(host(state=state), new())


OF_OTHERS = """
    <interface type='user'><mac address='52:54:00:01:02:04'/><model type='virtio'/></interface>
    <input type='tablet' bus='usb'/>
    <input type='tablet' bus='usb'/>
    <filesystem type='mount'><driver type='virtiofs'/><source socket='/run/a'/>
      <target dir='tag'/></filesystem>
    <channel type='unix'><source mode='bind' path='/a'/><target type='virtio' name='a'/></channel>
    <channel type='unix'><source mode='bind' path='/b'/><target type='virtio' name='a'/></channel>
    <serial type='dev'><source path='/dev/ttyS0'/><target port='0'/></serial>"""


def test_what_no_new_vm_can_be_declared_with_stays_the_templates() -> None:
    text = BASE.replace("<interface", f"{OF_OTHERS}<interface", 1)
    pins = "<cputune><iothreadpin iothread='1' cpuset='0'/></cputune><devices>"
    vm = plans(host(text.replace("<devices>", pins, 1)), new())["vm/web"]
    nics, inputs, channels = (
        xmltree.find_all(vm.after.definition, f"devices/{tag}")
        for tag in ("interface", "input", "channel")
    )
    assert [nic.get("type") for nic in nics] == ["bridge"]
    assert [xmltree.get(one, "alias/@name") for one in inputs] == [
        "ua-input-tablet-usb-1",
        "ua-input-tablet-usb-2",
    ]
    assert [xmltree.get(one, "source/@path") for one in channels] == ["/a"]
    [said] = [one for one in vm.warnings if "has what no option says" in one]
    for one in ("nics.nic", "shared_folders.tag", "channels.a#2", "serial", "pinning.iothreads"):
        assert one in said


SERVER = """
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw'/>
      <source protocol='rbd' name='pool/base-data'><host name='ceph1'/></source>
      <target dev='sdb' bus='scsi'/>
      <alias name='ua-disk-data'/>
    </disk>"""


def test_an_image_of_a_server_is_not_shared_with_the_template() -> None:
    world = host(BASE.replace("<interface", f"{SERVER}<interface", 1))
    with pytest.raises(FleetErrors, match="base has the disk data on a server"):
        plans(world, new())
    made = plans(world, new(disks=[{"name": "data", "pool": "images", "capacity": "8MiB"}]))
    assert xml(made["storage_volume/images/web-data.qcow2"], "backingStore/path") is None
    assert xml(made["vm/web"], "devices/disk[alias/@name='ua-disk-data']/@type") == "file"


def test_a_template_of_the_same_run_is_one() -> None:
    root = {"name": "root", "pool": "images", "capacity": "8MiB"}
    memory = {"size": "64MiB"}
    first = {"name": "first", "template": True, "memory": memory, "disks": [root]}
    made = plans(host(), first, new(from_template="first"))
    volume = made["storage_volume/images/web-root.qcow2"]
    assert xml(volume, "backingStore/path") == "/images/first-root.qcow2"
    assert list(made).index("vm/first") < list(made).index("vm/web")


def test_check_mode_takes_what_is_missing_to_come() -> None:
    world = host()
    world.assume_missing = True
    vm = plans(world, new(from_template="later"))["vm/web"]
    assert vm.changed
    assert "vm/later does not exist yet; what the VM gets of it cannot be seen" in vm.warnings


def test_who_has_no_identity_of_its_own_is_told() -> None:
    [said] = [one for one in plans(host(), new(sysprep="auto"))["vm/web"].warnings if "ssh" in one]
    assert "has the machine-id and the host keys of ssh that its template has" in said


def here(*files: str) -> World:
    """A host that is this machine, with some files."""
    answers = {("file", path): File("file") if path in files else None for path in FILES}
    before, _tag, rest = BASE.partition("<interface")
    without_nic = before + rest.partition("</interface>")[2]  # this machine's bridges are others
    return host(without_nic, answers={**worlds.HERE, **answers})


SYSPREP = "/usr/bin/virt-sysprep"
TPM = "/var/lib/libvirt/swtpm"
FILES = (
    *(SYSPREP, "/usr/local/bin/virt-sysprep", "/usr/bin/xorriso", "/usr/local/bin/xorriso"),
    *(f"{NVRAM}/base_VARS.fd", f"{NVRAM}/web_VARS.fd"),
    f"{TPM}/3f94dbb2-7a65-5a2d-99e5-15c5b4d38e11",
    f"{TPM}/{UUID}",
)


def brought(plan: Plan) -> dict[str, tuple[Any, str]]:
    """What a plan says of a new VM beside its options."""
    names = ("from_template", "nvram", "sysprep")
    return {
        change.field[0]: (change.after, change.note)
        for change in plan.changes
        if change.field[0] in names
    }


def test_the_variables_of_its_firmware_are_a_copy() -> None:
    world = here(f"{NVRAM}/base_VARS.fd")
    assert brought(plans(world, new())["vm/web"])["nvram"] == (
        f"{NVRAM}/web_VARS.fd",
        f"a copy of {NVRAM}/base_VARS.fd",
    )
    has_some = here(f"{NVRAM}/base_VARS.fd", f"{NVRAM}/web_VARS.fd")
    assert "nvram" not in brought(plans(has_some, new())["vm/web"])


def test_variables_of_another_firmware_are_no_start_for_it() -> None:
    world = here(f"{NVRAM}/base_VARS.fd")
    plan = plans(world, new(secure_boot=True, firmware="efi"))["vm/web"]
    assert "nvram" not in brought(plan)
    assert any("its firmware is another than that of base" in one for one in plan.warnings)
    plan = plans(world, new(firmware="bios"))["vm/web"]
    assert "nvram" not in brought(plan) and not any("firmware" in one for one in plan.warnings)


def test_a_tpm_is_new_and_the_plan_says_what_that_means() -> None:
    def warned(world: World, **options: Any) -> bool:
        warnings = plans(world, new(**options))["vm/web"].warnings
        return any("its TPM is new and empty: what the guest of base" in one for one in warnings)

    assert not warned(here()), "the template has never run"
    assert warned(here(f"{TPM}/{UUID}"))
    assert not warned(here(f"{TPM}/{UUID}"), tpm={"model": "none"})


def test_a_disk_of_another_size_is_in_the_pool_of_the_templates() -> None:
    disks = [{"name": "root", "capacity": "40MiB"}]
    made = plans(host(), new(disks=disks))
    volume = made["storage_volume/images/web-root.qcow2"].after
    assert xmltree.get(volume.definition, "capacity") == str(40 * 2**20)
    assert xmltree.get(volume.definition, "backingStore/path") == "/images/base.qcow2"
    # Once it is there it is the volume that the disk is on which grows.
    stored, facts = made["vm/web"].after.stored, {"autostart": False, "persistent": True}
    web = Have("vm", "web", stored, facts={"state": "stopped", **facts})
    there = {"vm": {"web": web}, "storage_volume": {volume.name: volume}}
    pools = {"storage_pool": {"images": pool("images", "/images")}}
    answers = {("volume_at", "/images/web-root.qcow2"): volume.name, ("snapshots", "web"): []}
    world = worlds.world({**there, **pools}, answers)
    again = plans(world, new(disks=disks))
    assert not any(plan.changed for plan in again.values())
    more = plans(world, new(disks=[{"name": "root", "capacity": "80MiB"}]))
    [change] = more[f"storage_volume/{volume.name}"].changes
    assert (change.field, change.after) == (("capacity",), "80MiB")
    with pytest.raises(FleetErrors, match=r"disks\.more: capacity needs a pool for its volume"):
        plans(host(), new(disks=[{"name": "more", "capacity": "80MiB"}]))


def test_its_devices_are_in_the_order_of_the_template() -> None:
    """By which a BIOS finds its disk, and a guest calls its NICs."""
    data = BASE[BASE.index("<disk ") : BASE.index("</disk>")].replace("base.qcow2", "d.qcow2")
    data = data.replace("'sda'", "'sdb'").replace("ua-disk-root", "ua-disk-data") + "</disk>"
    nic = BASE[BASE.index("<interface ") : BASE.index("</interface>")].replace(":03", ":04")
    nic = nic.replace("ua-nic-lan", "ua-nic-b") + "</interface>"
    text = BASE.replace("</disk>", f"</disk>{data}").replace("</interface>", f"</interface>{nic}")
    answers = {("volume_at", "/images/d.qcow2"): "images/base.qcow2"}
    vm = plans(host(text, answers=answers), new(clone="full"))["vm/web"]
    disks, nics = (vm.after.definition.findall(f"devices/{one}") for one in ("disk", "interface"))
    named = [(xmltree.get(d, "alias/@name"), xmltree.get(d, "target/@dev")) for d in disks]
    assert named == [("ua-disk-root", "sda"), ("ua-disk-data", "sdb")]
    assert [xmltree.get(one, "alias/@name") for one in nics] == ["ua-nic-lan", "ua-nic-b"]


def test_leases_stay_the_template_s_own() -> None:
    lease = "<lease><lockspace>san1</lockspace><key>base</key><target path='/dev/sdx'/></lease>"
    text = BASE.replace("</devices>", f"{lease}</devices>")
    vm = plans(host(text), new(clone="full"))["vm/web"]
    assert vm.after.definition.find("devices/lease") is None
    assert any("leases, which stay its own: base" in one for one in vm.warnings)


def test_virt_sysprep_works_on_what_is_made_in_this_run() -> None:
    made = plans(here(SYSPREP), new(sysprep="auto"))
    by, note = brought(made["vm/web"])["sysprep"]
    assert by == "virt-sysprep"
    assert note.startswith("on images/web-root.qcow2, before it is started")
    assert made["storage_volume/images/web-root.qcow2"].wanted.options["held"]


def test_a_seed_is_enough_where_one_is_declared() -> None:
    seed = {"hostname": "web", "pool": "images"}
    by, note = brought(plans(host(), new(sysprep="auto", cloud_init=seed))["vm/web"])["sysprep"]
    assert (by, note.split(",")[0]) == ("cloud_init", "at its first boot")


def test_the_seed_of_a_clone_makes_another_machine_id_also_when_it_changes() -> None:
    seed = {"hostname": "web", "pool": "images"}
    made = plans(host(), new(sysprep="cloud_init", cloud_init=seed))
    assert [c.after for c in made["vm/web"].changes if c.is_of("cloud_init.machine_id")] == ["own"]
    volume = made["storage_volume/images/web-root.qcow2"].after
    facts = {"state": "stopped", "autostart": False, "persistent": True}
    web = Have("vm", "web", made["vm/web"].after.stored, facts=facts)
    cidata = VOLUME.replace("base.qcow2", "web-cidata.iso").replace("qcow2", "raw")
    image = Have("storage_volume", "images/web-cidata.iso", xmltree.parse(cidata))
    there = {
        "vm": {"web": web},
        "storage_volume": {one.name: one for one in (volume, image)},
        "storage_pool": {"images": pool("images", "/images")},
    }
    world = worlds.world(there, {("snapshots", "web"): [], ("file", "/usr/bin/xorriso"): None})
    assert list(plans(world, new(cloud_init=seed))["vm/web"].changes) == []
    changed = plans(world, new(cloud_init={**seed, "user": "ops"}))["vm/web"]
    assert "cloud_init.machine_id" not in [".".join(c.field) for c in changed.changes]
    assert VM.result(changed.after)["cloud_init"]["machine_id"] == "own"

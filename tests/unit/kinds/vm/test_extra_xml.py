"""extra_xml in definitions: what it is merged into, and what comes back when it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import Field
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import key_of
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import extra, extra_rules
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.agree import platform
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.table import ROWS
from support import worlds
from support.one_option import defined

DOMAIN = """
<domain>
  <memtune><hard_limit unit='KiB'>7</hard_limit></memtune>
  <features><acpi/><hyperv mode='custom'><vapic state='off'/></hyperv></features>
  <clock offset='utc'><timer name='rtc' track='guest'/></clock>
  <devices>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <input type='tablet' bus='usb'/>
    <graphics type='vnc' port='-1'/>
  </devices>
  <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
    <qemu:arg value='-device'/><qemu:arg value='theirs'/>
  </qemu:commandline>
</domain>
"""
QEMU = "xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'"
ARGS = f"<q:commandline {QEMU}><q:arg value='-device'/><q:arg value='ours'/></q:commandline>"
# What is put in, and where it is found then.
MERGED = {
    "<memtune><hard_limit>8</hard_limit></memtune>": ("memtune/hard_limit", "8"),
    "<features><hyperv><vapic state='on'/></hyperv></features>": (
        "features/hyperv/vapic/@state",
        "on",
    ),
    "<clock><timer name='rtc' tickpolicy='catchup'/></clock>": (
        "clock/timer/@tickpolicy",
        "catchup",
    ),
    "<devices><controller type='scsi' index='0'><driver queues='4'/></controller></devices>": (
        "devices/controller/driver/@queues",
        "4",
    ),
    "<devices><graphics type='vnc' sharePolicy='ignore'/></devices>": (
        "devices/graphics/@sharePolicy",
        "ignore",
    ),
    "<!-- why --><sysinfo type='smbios'><system><entry name='a'>b</entry></system></sysinfo>": (
        "sysinfo/system/entry",
        "b",
    ),
    ARGS: ("qemu:commandline/qemu:arg[@value='ours']/@value", "ours"),
}
HYPERV = "<features><hyperv{}><relaxed state='on'/></hyperv></features>"
MODE = ("features", "hyperv", "mode")


def with_extra(domain: xmltree.Element, text: str) -> xmltree.Element:
    after = xmltree.clone(domain)
    extra.replace(after, extra.canonical(text))
    return after


@pytest.mark.parametrize("text", MERGED)
@pytest.mark.parametrize("closed", [True, False])
def test_it_is_merged_and_what_was_there_comes_back(text: str, closed: bool) -> None:
    domain = xmltree.parse(DOMAIN)
    after = with_extra(domain, text)
    path, value = MERGED[text]
    assert xmltree.get(after, path) == value
    assert len(after.findall("features")) == len(after.findall("devices/graphics")) == 1
    if closed:  # as after a run that did not end in between
        assert extra.close(after, after, True) == []
    assert extra.found(after, extra.record_of(after)) == extra.canonical(text)
    again = with_extra(after, text)
    assert xmltree.get(again, path) == value
    assert xmltree.same(with_extra(again, ""), domain)


def test_what_somebody_changed_since_is_left_to_them() -> None:
    after = with_extra(xmltree.parse(DOMAIN), "<memtune><hard_limit>8</hard_limit></memtune>")
    extra.close(after, after, True)
    xmltree.put(after, "memtune/hard_limit", "9")
    assert extra.found(after, extra.record_of(after)) == ""
    assert xmltree.get(with_extra(after, ""), "memtune/hard_limit") == "9"


def test_a_device_is_found_again_however_libvirt_writes_it() -> None:
    asked = (
        "<devices><hostdev><source><address domain='0' bus='0x5' slot='1'/></source></hostdev>"
        "<input type='tablet' bus='usb'/><input type='tablet' bus='usb'/></devices>"
    )
    after = with_extra(xmltree.parse(DOMAIN), asked)
    hostdev = after.find("devices/hostdev")
    assert hostdev is not None
    hostdev.set("managed", "no")
    address = hostdev.find("source/address")
    assert address is not None
    address.attrib.update(domain="0x0000", bus="0x05", slot="0x01", function="0x0")
    assert extra.close(after, after, True) == []
    assert len(after.findall("devices/input")) == 2  # one was there
    left = with_extra(after, "")
    assert left.find("devices/hostdev") is None
    assert len(left.findall("devices/input")) == 1


def test_what_libvirt_leaves_out_is_told() -> None:
    after = with_extra(xmltree.parse(DOMAIN), "<devices><sound model='ich9'/></devices><pm/>")
    for path in ("devices/sound!", "pm!"):
        xmltree.put(after, path, None)
    assert extra.close(after, after, True) == ["pm", "devices/sound"]


@pytest.mark.parametrize(
    ("text", "want", "refused"),
    [
        ("<memoryBacking><nosharepages/></memoryBacking>", {("memory", "ksm"): True}, True),
        ("<memoryBacking><nosharepages/></memoryBacking>", {("memory", "ksm"): False}, False),
        ("<memoryBacking><nosharepages/></memoryBacking>", {}, False),
        ("<memoryBacking><locked/></memoryBacking>", {("memory", "locked"): False}, True),
        ("<memoryBacking><allocation mode='immediate'/></memoryBacking>", {}, False),
        (HYPERV.format(" mode='custom'"), {MODE: "none"}, True),
        (HYPERV.format(""), {MODE: "none"}, True),
        (HYPERV.format(""), {MODE: "custom"}, False),
        (HYPERV.format(""), {("features", "pae"): True}, False),
        (HYPERV.format(""), {("virt_type",): "kvm"}, False),
    ],
)
def test_it_does_not_contradict_an_option_by_being_there(
    text: str, want: dict[tuple[str, ...], Any], refused: bool
) -> None:
    """What is there, or would be in the way, an option has had taken away by then."""
    bare = DOMAIN.replace("<hyperv mode='custom'><vapic state='off'/></hyperv>", "")
    domain = with_extra(xmltree.parse(bare), text)
    platform.agree_mode(domain)
    far = worlds.world({}).host
    assert bool(list(extra_rules.mistakes(domain, want, far))) == refused


def test_enlightenments_that_it_leaves_behind_have_the_mode_of_libvirt() -> None:
    brought = with_extra(
        xmltree.parse("<domain><features/></domain>"), HYPERV.format(" mode='custom'")
    )
    extra.close(brought, brought, True)
    xmltree.put(brought, "features/hyperv/vapic/@state", "on")
    left = with_extra(brought, "")
    platform.agree_mode(left)
    assert xmltree.serialise(left.find("features")) == (
        "<features><hyperv mode='custom'><vapic state='on'/></hyperv></features>"
    )


def test_each_option_can_be_looked_for_in_it() -> None:
    domain = with_extra(xmltree.parse(DOMAIN), HYPERV.format(""))
    rows = {key_of(row.name): "other" for row in ROWS if isinstance(row, Field)}
    told = list(extra_rules.mistakes(domain, rows, worlds.world({}).host))
    assert any("features.hyperv.relaxed" in one for one in told)
    assert not any("memory" in one for one in told)


GOLDEN = Path(__file__).parents[3] / "golden" / "vm" / "extra-xml-comes"


@pytest.mark.parametrize(("sound", "refused"), [("ich6", True), ("none", False), (None, False)])
def test_an_option_leaves_what_it_brought_and_is_to_stay(sound: str | None, refused: bool) -> None:
    """The only sound device is that of extra_xml, and would be what the option says."""
    text = "<devices><sound model='ich9'/></devices>"
    before = xmltree.parse((GOLDEN / "before.xml").read_text())
    xmltree.put(before, "devices/sound!", None)
    stored = with_extra(before, text)
    extra.close(stored, stored, True)
    facts = {"state": "stopped", "autostart": False, "persistent": True}
    have = Have("vm", "web", stored, None, facts)
    world = worlds.world({"vm": {"web": have}}, {("snapshots", "web"): []})
    given = {"name": "web", "extra_xml": text, "title": "x", "sound": sound}
    params = ArgumentSpecValidator(KIND.spec()).validate(given).validated_parameters
    try:
        KIND.plan(KIND.parse(params)[-1], have, world)
    except FleetErrors as errors:
        assert refused, str(errors)
        assert "brought what sound would make another" in str(errors)
    else:
        assert not refused


def test_an_option_for_what_extra_xml_put_in_is_refused_with_the_way_out() -> None:
    [one] = [one for one in defined() if (one.kind, one.case) == ("vm", "extra-xml-changes")]
    world = worlds.world({"vm": {one.have.name: one.have}})
    said = {"name": one.have.name, "state": "present", "sound": "ich6"}

    def plan(**more: str) -> Plan:
        spec = ArgumentSpecValidator(KIND.spec()).validate({**said, **more})
        [wanted] = KIND.parse(spec.validated_parameters)
        return KIND.plan(wanted, one.have, world)

    with pytest.raises(FleetErrors, match="sound: the VM has it by extra_xml"):
        plan()
    assert plan(extra_xml="").changed

"""Templates: what is refused of one, by plans without a host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.together import templates
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.run.host_config import KINDS
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all
from support import worlds

UUID = "c6c7d6b1-0c0e-4d0e-9a55-9f6b0c6f1c11"
BASE = f"""
<domain type='qemu'>
  <name>base</name>
  <uuid>{UUID}</uuid>
  <metadata xmlns:fleet="urn:kvm.fleet:1">
    <fleet:resource managed="yes"><fleet:template is="yes" uuid="{UUID}"/></fleet:resource>
  </metadata>
  <memory unit='KiB'>1048576</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/images/base.qcow2'/>
      <target dev='vda' bus='virtio'/>
      <alias name='ua-disk-root'/>
    </disk>
  </devices>
</domain>
"""
VOLUME = (
    "<volume><name>{name}</name><capacity>8388608</capacity><target><path>/images/{name}</path>"
    "<format type='qcow2'/></target>{more}</volume>"
)
STANDS = "<backingStore><path>/images/base.qcow2</path><format type='qcow2'/></backingStore>"
POOL = "<pool type='dir'><name>images</name><target><path>/images</path></target></pool>"


def host(*clones: str) -> World:
    """A host with a template, and linked clones of its disk."""
    facts = {"state": "stopped", "autostart": False, "persistent": True}
    base = Have("vm", "base", xmltree.parse(BASE), facts=facts)
    pool = Have("storage_pool", "images", xmltree.parse(POOL), xmltree.parse(POOL), {})
    texts = {
        "base.qcow2": VOLUME.format(name="base.qcow2", more=""),
        **{name: VOLUME.format(name=name, more=STANDS) for name in clones},
    }
    volumes = {
        f"images/{name}": Have("storage_volume", f"images/{name}", xmltree.parse(text))
        for name, text in texts.items()
    }
    there = {"vm": {"base": base}, "storage_pool": {"images": pool}, "storage_volume": volumes}
    return worlds.world(there, {("snapshots", "base"): []})


def refusals(world: World, kind: str, **options: Any) -> list[str]:
    """What a plan says against a declaration."""
    of = next(one for one in KINDS if one.name == kind)
    params = ArgumentSpecValidator(of.spec()).validate(options).validated_parameters
    try:
        plan_all(world, of.parse(params), rules_of_changes=lambda: (templates.not_written,))
    except FleetErrors as errors:
        return [str(error) for error in errors.errors]
    except FleetError as error:
        return [str(error)]
    return []


@pytest.mark.parametrize(
    "options",
    [
        {"state": "running"},
        {"state": "paused"},
        {"autostart": True},
        {"memory": {"size": "2GiB"}},
        {"disks": [{"name": "root", "state": "absent"}]},
        {"cdroms": [{"name": "medium"}]},
        {"extra_xml": "<devices><sound model='ich9'/></devices>"},
    ],
)
def test_of_a_template_nothing_changes_and_it_does_not_run(options: dict[str, Any]) -> None:
    assert refusals(host(), "vm", name="base", **options)


@pytest.mark.parametrize(
    "options", [{"title": "Debian 12"}, {"protected": True}, {"template": True}, {"group": "web"}]
)
def test_what_is_said_about_it_may_change(options: dict[str, Any]) -> None:
    assert refusals(host(), "vm", name="base", **options) == []


def test_it_goes_when_nothing_stands_on_it() -> None:
    assert refusals(host(), "vm", name="base", state="absent") == []
    [said] = refusals(host("web.qcow2", "db.qcow2"), "vm", name="base", state="absent")
    assert "linked clones stand on its disks: images/db.qcow2, images/web.qcow2" in said


def test_its_disk_does_not_grow() -> None:
    grown = {"pool": "images", "name": "base.qcow2", "capacity": "16MiB"}
    [said] = refusals(host(), "storage_volume", **grown)
    assert "is a disk of the template base" in said


def test_a_copy_by_another_program_is_none() -> None:
    copied = BASE.replace(f"<uuid>{UUID}", "<uuid>c6c7d6b1-0c0e-4d0e-9a55-9f6b0c6f1c12")
    facts = {"state": "stopped", "autostart": False, "persistent": True}
    have = Have("vm", "base", xmltree.parse(copied), facts=facts)
    assert KIND.result(have)["template"] is False
    assert KIND.result(Have("vm", "base", xmltree.parse(BASE), facts=facts))["template"] is True

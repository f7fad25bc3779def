# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes, describes, removes snapshots, and has VMs go back to them. Decides nothing.

Each is one call: libvirt's daemon goes on with it where the module is killed, and the next run
finds what came of it.
"""

from __future__ import annotations

from typing import Any

from ...engine import xmltree
from ...engine.plan import CREATE, DELETE, Plan
from ...host.connection import Host, found, libvirt, patiently
from ..vm.snapshots import DESCRIPTION
from .absent import RECORD_ONLY
from .names import parts_of


def apply_snapshot(host: Host, plan: Plan) -> None:
    """Do the one thing that the plan is about."""
    vm, name = parts_of(plan.wanted.name)
    with host.errors(plan.resource, f"look up {vm}"):
        dom = host.conn.lookupByName(vm)
    if plan.action == CREATE:
        _take(host, plan, dom)
    elif plan.action == DELETE:
        _remove(host, plan, dom, name)
    elif plan.wanted.state == "reverted":
        with host.errors(plan.resource, "go back to it"):
            taken = dom.snapshotLookupByName(name, 0)
            patiently(lambda: dom.revertToSnapshot(taken, 0))
    else:
        _describe(host, plan, dom, name)


def _take(host: Host, plan: Plan, dom: Any) -> None:
    tree = plan.after.definition
    has_memory = xmltree.get(tree, "memory/@snapshot") != "no"
    is_external = any(disk.get("snapshot") == "external" for disk in tree.findall("disks/disk"))
    flags = 0
    if is_external:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
        flags |= 0 if has_memory else libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    if plan.after.facts["quiesces"]:
        flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE
    with host.errors(plan.resource, "take it"):
        patiently(lambda: dom.snapshotCreateXML(xmltree.serialise(tree), flags))


def _describe(host: Host, plan: Plan, dom: Any, name: str) -> None:
    """libvirt defines a record anew, by all that it said of it, its secrets too."""
    with host.errors(plan.resource, "describe it"):
        taken = dom.snapshotLookupByName(name, 0)
        tree = xmltree.parse(taken.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE))
        xmltree.put(tree, "description", DESCRIPTION.found_in(plan.after.definition))
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
        if taken.isCurrent():
            flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
        if xmltree.get(tree, "state") == "disk-snapshot":
            flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        patiently(lambda: dom.snapshotCreateXML(xmltree.serialise(tree), flags))


def _remove(host: Host, plan: Plan, dom: Any, name: str) -> None:
    is_record = plan.after.facts["how"] == RECORD_ONLY
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY if is_record else 0
    with host.errors(plan.resource, "remove it"):
        taken = found(
            lambda of: dom.snapshotLookupByName(of, 0), name, libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT
        )
        if taken is not None:
            patiently(lambda: taken.delete(flags))

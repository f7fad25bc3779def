# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of one vswitch: against what it is, beside others, and on its host."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ...engine.host import TEST
from ...engine.keys import ABSENT, PRESENT, Key, Values, fits_several, named, within
from . import definition_rules, device_rules, limits, rules, tagging, tree
from .surroundings import has_bridge, refuse_while_in_use
from .table import (
    BRIDGE,
    BRIDGE_NAME,
    FAMILIES,
    MORE_ADDRESSES,
    OPENVSWITCH,
    RUN_BY_LIBVIRT,
    TYPE,
)
from .tree import values_of

if TYPE_CHECKING:
    from .draft import VswitchDraft


def check(draft: VswitchDraft) -> None:
    """Collect the mistakes of a draft, those first that others would follow from."""
    # What has no place in the tree, such as DHCP without an address, is a mistake too.
    said = {key: value for key, value in draft.want.items() if value is not ABSENT}
    _check_one(draft, {**draft.after, **said})
    draft.mistakes.extend(definition_rules.dns_of_others(draft.definition))
    if draft.definition is not draft.have.stored and draft.world.host.driver != TEST:
        draft.mistakes.extend(definition_rules.of_libvirts_own(draft.definition))
    _check_vlans(draft)
    _check_isolation(draft)
    _check_addresses(draft)


def _check_vlans(draft: VswitchDraft) -> None:
    """libvirt defines no network with VLANs that nobody could set; the test driver takes all."""
    host = draft.world.host
    if draft.definition is draft.have.stored or not _has_vlans(draft) or host.driver == TEST:
        return
    before = tagging.wrong(draft.base, host) if draft.have.exists else ()
    known = {(error.field, error.message) for error in before}
    new = [e for e in tagging.wrong(draft.definition, host) if (e.field, e.message) not in known]
    draft.mistakes.extend(new)
    if not new and not draft.beneath.is_kept:
        draft.mistakes.extend(tagging.unfiltered(draft.definition, host))


def _check_isolation(draft: VswitchDraft) -> None:
    """On Open vSwitch it is nobody's but its hook's, and of the tunnels of an overlay."""
    host, beneath = draft.world.host, draft.beneath
    if host.driver == TEST or draft.after[TYPE] != OPENVSWITCH:
        return
    sides = ((draft.base, beneath.now), (draft.definition, beneath.will))
    known, found = ([*tagging.unisolated(*side, host)] for side in sides)
    draft.mistakes.extend(error for error in found if str(error) not in map(str, known))


def _has_vlans(draft: VswitchDraft) -> bool:
    return any(group.find("vlan") is not None for group in draft.definition.findall("portgroup"))


def _check_one(draft: VswitchDraft, after: Values) -> None:
    _check_type(draft, after)
    _check_names(draft)
    draft.mistakes.raise_any()
    # What others made may break a rule, and is nobody's mistake as long as it stays so.
    known = {(e.field, e.message) for e in (rules.check(draft.stored) if draft.stored else ())}
    found = (e for e in rules.check(after) if (e.field, e.message) not in known)
    draft.mistakes.extend(found)
    draft.mistakes.raise_any()
    _check_beside_others(draft, after)
    _check_bridge(draft, after)
    _check_devices(draft, after)
    draft.beneath.check()
    _tell_limits_that_are_none(draft, after)
    if draft.have.live is not None and not draft.will_run:
        refuse_while_in_use(draft.wanted, draft.running)
    draft.mistakes.raise_any()


def _check_type(draft: VswitchDraft, after: Values) -> None:
    is_on_device = draft.stored.get(TYPE) == BRIDGE and not draft.stored.get(BRIDGE_NAME)
    if is_on_device and after[BRIDGE_NAME]:
        message = "means nothing for a vswitch that is on a device of the host"
        draft.mistakes.add(message, "bridge")
    if (
        draft.stored.get(BRIDGE_NAME)
        and draft.stored[TYPE] == BRIDGE
        and after[device_rules.DEVICES]
    ):
        draft.mistakes.add("mean nothing for a vswitch that is on a bridge of the host", "devices")
    was = draft.stored.get(TYPE, after[TYPE])
    if was != after[TYPE] and not {was, after[TYPE]} <= set(RUN_BY_LIBVIRT):
        draft.mistakes.add(
            f"is {was} and cannot become {after[TYPE]}; declare a vswitch with another name, "
            "or remove this one first",
            "type",
        )


def _check_names(draft: VswitchDraft) -> None:
    """Names of several things, where one of these is to change."""
    for key in (k for k, v in draft.wanted.values.items() if v in (PRESENT, ABSENT)):
        said = within(draft.wanted.values, key)
        changes = any(draft.stored.get(k) != v for k, v in said.items())
        if changes and fits_several(draft.stored, key):
            draft.mistakes.add(
                "is the name of several, and nobody knows which is meant; make them differ "
                "by virsh net-edit, or list all and purge",
                named(key),
            )


def _tell_limits_that_are_none(draft: VswitchDraft, after: Values) -> None:
    """Of port groups on Open vSwitch whose limits are declared."""
    groups = draft.definition.findall("portgroup") if after[TYPE] == OPENVSWITCH else ()
    for group in filter(limits.is_none, groups):
        at = ("port_groups", group.get("name", ""), "bandwidth", "inbound")
        if any(value != "0B" for value in within(draft.wanted.values, at).values()):
            draft.warnings.append(f"{named(at)}: {limits.PEAK}")


def _check_addresses(draft: VswitchDraft) -> None:
    """Of several addresses of a family the one with DHCP counts, as long as it has some."""
    after, settled = draft.after, values_of(tree.without_empty_dhcp(draft.definition))
    for family in FAMILIES:
        if draft.wanted.values.get(family.key) == "" and after[family.key]:
            draft.mistakes.add(
                f"cannot go: the vswitch has others, of which {after[family.key]} would take "
                "its place; declare more_addresses without those of its family too",
                family.address,
            )
        if settled[family.key] != after[family.key]:
            draft.mistakes.add(
                "cannot go: by DHCP this address is told from others that the vswitch has; "
                "declare more_addresses without those of its family first",
                family.dhcp,
            )


def _check_beside_others(draft: VswitchDraft, after: Values) -> None:
    """Against other vswitches and the host's networks; not again for what runs so already."""
    new: Values = {f.key: after[f.key] for f in FAMILIES if not runs(draft, f.key, after)}
    has = (draft.now or {}).get(MORE_ADDRESSES) or ()
    new[MORE_ADDRESSES] = [one for one in after.get(MORE_ADDRESSES) or () if one not in has]
    if not any(new.values()) and runs(draft, BRIDGE_NAME, after):
        return
    others = {
        name: values_of(have.stored)
        for name, have in draft.world.everything("vswitch").items()
        if name != draft.wanted.name and have.stored is not None
    }
    taken = {f"vswitch/{name}": rules.networks_in(values) for name, values in others.items()}
    mine = (after, draft.now or after, draft.stored or after)
    bridges = {values[BRIDGE_NAME] for values in (*mine, *others.values())}
    for interface, network in draft.world.host.routes:
        if interface not in bridges:
            found = ipaddress.ip_network(network)
            taken.setdefault(f"the host's interface {interface}", []).append(found)
    draft.mistakes.extend(rules.overlapping(new, taken))
    if not runs(draft, BRIDGE_NAME, after):
        draft.mistakes.extend(rules.shared_bridge(after, others))


def _check_bridge(draft: VswitchDraft, after: Values) -> None:
    name, host = after[BRIDGE_NAME], draft.world.host
    stays = not draft.will_run and draft.stored.get(BRIDGE_NAME) == name
    if stays or runs(draft, BRIDGE_NAME, after):
        return
    if after[TYPE] in RUN_BY_LIBVIRT:
        if name != draft.left.bridge and host.has_interface(name):
            draft.mistakes.add(
                f"the host has an interface {name} already; name another bridge", "bridge"
            )
        return
    if draft.beneath.is_kept:
        return
    there = has_bridge(draft.definition, name, host)
    beneath = draft.beneath
    if there and beneath.maker and host.is_this_machine and not beneath.why_none:
        draft.mistakes.add(f"{name} of the host is no {beneath.maker.none}", "bridge")
    elif there is False and draft.world.assume_on_host:
        draft.warnings.append(f"the bridge {name} is not there; taken to be made before the run")
    elif there is False:
        draft.mistakes.add(_why_no_bridge(draft, name), "bridge")
    elif there is None:
        draft.warnings.append(f"cannot see whether the host has a bridge {name}")


def _check_devices(draft: VswitchDraft, after: Values) -> None:
    """Interfaces that this machine does not have; libvirt defines and starts networks on any."""
    host = draft.world.host
    for key in (device_rules.DEVICES, device_rules.PF):
        had, said = draft.stored.get(key) or (), after[key] or ()
        names = [said] if isinstance(said, str) and said else said
        for name in (one for one in names if one not in (had, *had)):
            if not host.is_this_machine or host.has_interface(name):
                continue
            if draft.world.assume_on_host:
                draft.warnings.append(f"the host has no {name}; taken to be there when a run comes")
            else:
                draft.mistakes.add(f"the host has no interface {name}", named(key))


def _why_no_bridge(draft: VswitchDraft, name: str) -> str:
    host = draft.world.host
    beneath = draft.beneath
    if beneath.maker and host.is_this_machine and beneath.why_none:
        return f"the host has no bridge {name}, and none can be made: {beneath.why_none}"
    if beneath.maker and host.has_interface(name):
        return f"{name} of the host is no {beneath.maker.none}"
    return f"the host has no bridge {name}; make it first"


def runs(draft: VswitchDraft, key: Key, after: Values) -> bool:
    """Whether what runs has a value already."""
    return draft.now is not None and draft.now[key] == after[key]

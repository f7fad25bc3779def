# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule that a device of the host is one VM's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...engine import xmltree
from ...engine.errors import Doubt, FleetError
from ...engine.fields import items_of
from ...engine.keys import named
from ...engine.plan import Have, Plan
from ...engine.world import World
from ...engine.xmltree import Element
from .host_device_rows import (
    HOST_DEVICES,
    MDEV,
    PCI,
    PCI_ADDRESS,
    TYPES,
    USB,
    WHICH,
    model_and_place,
    value_of,
)
from .table import EXTRA_RECORD


class Claim(NamedTuple):
    """A device of the host that a VM has, and where that is said."""

    kind: str
    value: str
    field: str
    by_option: bool

    def is_of(self, other: Claim) -> bool:
        """Whether both are one device, as far as both say which: a USB device is known by its
        model, by its place, or by both."""
        if self.kind != other.kind or self.kind != USB:
            return (self.kind, self.value) == (other.kind, other.value)
        pairs = zip(model_and_place(self.value), model_and_place(other.value))
        said = [(one, another) for one, another in pairs if one and another]
        return bool(said) and all(one == another for one, another in said)

    def __str__(self) -> str:
        return f"the {self.kind.upper() if self.kind != MDEV else 'mediated'} device {self.value}"


def one_vm_each(plans: Sequence[Plan], world: World) -> Iterator[FleetError]:
    """No VM is given a device that another has; asked only where a plan brings one."""
    brings = {plan.wanted.name: _brought(plan) for plan in plans if plan.wanted.kind == "vm"}
    if not any(brings.values()):
        return
    owners = {name: _claims_of(have) for name, have in world.everything("vm").items()}
    for name, claims in brings.items():
        for claim in claims:
            others = sorted(
                other
                for other, theirs in owners.items()
                if other != name and any(claim.is_of(one) for one in theirs)
            )
            if others:
                make = FleetError if claim.by_option else Doubt
                yield make(_clash(claim, others), f"vm/{name}", claim.field)


def _clash(claim: Claim, others: Sequence[str]) -> str:
    who = ", ".join(others)
    if not claim.by_option:
        return f"{claim} is that of {who} too: they cannot run at once"
    return (
        f"{claim} is that of {who} too, and nobody can run with it while another does; take it "
        f"from {who} first (state: absent), or name another device"
    )


def _brought(plan: Plan) -> list[Claim]:
    had = {(claim.kind, claim.value) for claim in _claims_of(plan.have)}
    found = _claims_of(Have("vm", plan.wanted.name, plan.after.stored))
    return [claim for claim in found if (claim.kind, claim.value) not in had]


def _claims_of(have: Have) -> list[Claim]:
    trees = [tree for tree in (have.stored, have.live) if tree is not None]
    return [claim for tree in trees for claim in claims(tree)]


def claims(domain: Element) -> Iterator[Claim]:
    """The devices of the host that a VM has, in whatever form: also as NICs and NVMe disks."""
    ours = {id(device): name for name, device in items_of(HOST_DEVICES, domain).items()}
    by_extra = _by_extra(domain)
    for device in domain.findall("devices/hostdev[@mode='subsystem']"):
        kind = device.get("type", "")
        if kind in TYPES and value_of(device):
            name, is_ours = ours.get(id(device)), id(device) not in by_extra
            field = named((HOST_DEVICES.name, name, kind)) if name and is_ours else "extra_xml"
            yield Claim(kind, value_of(device), field, is_ours)
    for tag, of_type, field in (("interface", "hostdev", "nics"), ("disk", "nvme", "disks")):
        for device in domain.findall(f"devices/{tag}[@type='{of_type}']"):
            value = PCI_ADDRESS.decode(WHICH[PCI].found_in(device))
            if value:
                yield Claim(PCI, str(value), field, False)


def _by_extra(domain: Element) -> set[int]:
    if xmltree.find(domain, EXTRA_RECORD) is None:
        return set()
    from . import extra, extra_record

    return extra.devices_in(domain, extra_record.record_of(domain))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing at the target is called as the VM is, and nothing of it has been there before."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...engine.xmltree import Element
from ...kinds.vm.states import PAUSED, RUNNING
from ..case import Case
from ..findings import Finding


def hosts(case: Case) -> Iterator[Finding]:
    """Two hosts, which libvirt can tell apart: it refuses to move to the same one."""
    here, there = case.source.moves.identity, case.target.moves.identity
    if here is None or there is None:
        message = "whether libvirt can tell the hosts apart is not known"
        yield case.warned("hosts", message, "see that their host UUIDs differ (virsh capabilities)")
        return
    sides = {"source": f"{here.hostname}, {here.uuid}", "target": f"{there.hostname}, {there.uuid}"}
    if here.uuid and here.uuid == there.uuid:
        yield case.failed(
            "hosts",
            "both have the same host UUID, by which libvirt takes them for one",
            "give each its own (host_uuid in libvirtd.conf; the role kvm_host does)",
            **sides,
        )
    else:
        yield case.passed("hosts", "the hosts can be told apart", **sides)
    if here.hostname == there.hostname:
        yield case.warned(
            "hosts",
            "both have the same host name, by which each tells the other where to connect to",
            "give each its own name, or say network: the address at the target",
            **sides,
        )


def clashes(case: Case) -> Iterator[Finding]:
    """No VM there has the name, the UUID or a MAC address of this one."""
    found = [*_name(case), *_uuid(case), *_macs(case), *_sockets(case)]
    yield from found
    if not found:
        yield case.passed("clashes", "no VM there has its name, UUID or a MAC address of it")


def _name(case: Case) -> Iterator[Finding]:
    there = case.move.there
    if not there.exists:
        return
    if case.move.is_coming:
        yield case.warned(
            "clashes",
            "the target has what an interrupted move left of it",
            "nothing; it is cleared first",
            "name",
        )
        return
    uuids = [xmltree.get(have.definition, "uuid") or "" for have in (case.move.have, there)]
    same = uuids[0] == uuids[1]
    yield case.failed(
        "clashes",
        "the target has the same VM already" if same else "the target has another VM of that name",
        "find out which of them is the current one, and remove the other (virsh undefine)"
        if same
        else "rename one of them (virsh domrename)",
        "name",
        source=uuids[0],
        target=f"{uuids[1]}, {there.facts.get('state')}",
    )


def _uuid(case: Case) -> Iterator[Finding]:
    uuid = xmltree.get(case.move.have.definition, "uuid") or ""
    owner = case.target.host.owner_of("vm", uuid) if uuid else None
    if owner and owner != case.move.vm:
        yield case.failed(
            "clashes",
            f"vm/{owner} of the target has its UUID; libvirt would overwrite that",
            f"find out whether it is the same VM under another name, and remove or rename {owner}",
            "uuid",
            source=uuid,
            target=owner,
        )


def _macs(case: Case) -> Iterator[Finding]:
    own = set(_macs_of(case.sent))
    for name, have in case.target.vms().items() if own else ():
        if name == case.move.vm:
            continue
        runs = have.facts.get("state") in (RUNNING, PAUSED)
        tree = have.live if runs and have.live is not None else have.definition
        for mac in sorted(own & set(_macs_of(tree))):
            make = case.failed if runs else case.warned
            yield make(
                "clashes",
                f"vm/{name} of the target has the MAC address {mac} of it, and "
                f"{'runs' if runs else 'does not run'}",
                "give one of them another (mac)",
                "nics",
                source=mac,
                target=name,
            )


def _sockets(case: Case) -> Iterator[Finding]:
    """The number of a vsock is taken once on a host; one that libvirt chose is chosen anew."""
    cid = case.sent.find("devices/vsock/cid")
    if cid is None or cid.get("auto") == "yes" or not case.mode.is_live:
        return
    for name, have in case.target.vms().items():
        runs = have.live if have.facts.get("state") in (RUNNING, PAUSED) else None
        taken = None if runs is None else xmltree.get(runs, "devices/vsock/cid/@address")
        if name != case.move.vm and taken and taken == cid.get("address"):
            message = f"vm/{name} of the target has the number {taken} of its vsock"
            todo = "give one of them another"
            yield case.failed("clashes", message, todo, "devices/vsock", target=name)


def _macs_of(domain: Element) -> list[str]:
    macs = (xmltree.get(nic, "mac/@address") for nic in domain.findall("devices/interface"))
    return [mac.lower() for mac in macs if mac]


# ---- secrets


def secrets(case: Case) -> Iterator[Finding]:
    """The target has the secrets by which disks are opened."""
    wanted = list(_secrets_of(case.there))
    there = case.target.host.secrets if wanted else []
    for about, uuid, usage in wanted:
        named = usage or uuid
        if there is None:
            message = f"whether the target has the secret {named} is not known"
            yield case.warned("secrets", message, "see that it has", about, source=named)
        elif any(uuid == one.uuid or (usage and usage == one.usage) for one in there):
            yield case.passed("secrets", f"the secret {named} is there", about, source=named)
        else:
            todo = "declare it there with the same UUID and value (the module secret)"
            message = f"the target has no secret {named}"
            yield case.failed("secrets", message, todo, about, source=named)


def _secrets_of(domain: Element) -> Iterator[tuple[str, str, str]]:
    for device in domain.findall("devices/disk"):
        about = f"disk {xmltree.get(device, 'target/@dev')}"
        yield from _secrets_in(device, about)
    for device in domain.findall("devices/tpm"):
        yield from _secrets_in(device, "tpm")


def _secrets_in(device: Element, about: str) -> Iterator[tuple[str, str, str]]:
    for secret in device.iter("secret"):
        yield about, secret.get("uuid", ""), secret.get("usage", "")
    for encryption in device.findall("backend/encryption"):
        yield about, encryption.get("secret", ""), ""

# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a guest's NICs is the kernel's work can be had at the target."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...engine import xmltree
from ...engine.fields import items_of
from ...engine.xmltree import Element
from ...kinds.vm.nic_rows import NICS
from ..case import Case, listed
from ..findings import Finding

# Which kinds of NIC libvirt gives to the kernel's vhost, if QEMU runs under KVM or it is said.
OF_KERNEL = ("network", "bridge", "ethernet", "direct")
VHOST = "vhost"


def kernels(case: Case) -> Iterator[Finding]:
    """What the source's kernel offers to a guest's NICs, the target's offers too.

    A NIC of virtio has only features that its vhost has, and a guest cannot lose one that it uses.
    Seen: one that booted on Linux 6.12 uses VIRTIO_F_RING_RESET, with which QEMU refuses it at the
    end of a move to 6.1, whatever its machine type. Which it uses nobody but QEMU knows.
    """
    named = [name for name, nic in items_of(NICS, case.sent).items() if _by_vhost(case, nic)]
    if not named or not case.has_memory:
        return
    here, there = case.source.moves.kernel, case.target.moves.kernel
    sides = {"source": f"Linux {here or 'not known'}", "target": f"Linux {there or 'not known'}"}
    if not here or not there:
        message = "which kernels the hosts have is not known from here"
        todo = f"see that the target's is no older: it has a part in the NICs {listed(named)}"
        yield case.warned("kernel", message, todo, **sides)
    elif _release(there) < _release(here):
        message = f"the target's kernel is older: it may lack what the NICs {listed(named)} use"
        todo = (
            "if QEMU there refuses them (Features unsupported), the VM stays here: choose a host "
            "with a newer kernel, upgrade that one, or start it anew with driver: qemu for them"
        )
        yield case.warned("kernel", message, todo, **sides)
    else:
        yield case.passed("kernel", "the kernel of the target is no older", **sides)


def _by_vhost(case: Case, nic: Element) -> bool:
    """Whether the kernel carries what this NIC sends."""
    driver = xmltree.get(nic, "driver/@name") or (VHOST if case.kind[2] == "kvm" else "")
    virtio = (xmltree.get(nic, "model/@type") or "").startswith("virtio")
    return nic.get("type", "") in OF_KERNEL and virtio and driver == VHOST


def _release(text: str) -> tuple[int, ...]:
    """Those two numbers of a kernel's release in which features come: 6.12."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])

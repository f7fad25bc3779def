# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt of the target itself says of the definition. It changes nothing by that."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine import xmltree
from ...kinds.vm.judge import startable
from ..case import Case
from ..findings import Finding


def judged(case: Case) -> Iterator[Finding]:
    """libvirt there would start it.

    It is given a copy without what it would make on the way (taps), and of disks that are to be
    copied only their paths, so what it refuses no move could bring.
    """
    definition = xmltree.serialise(startable(case.there))
    said = case.target.host.refusal(definition)
    if not case.target.moves.knows("refusal", definition):
        message = "libvirt of the target has not judged the definition: it is a snapshot"
        yield case.warned("judgement", message, "ask again with its URI")
    elif said is not None:
        message = f"libvirt of the target would refuse it: {said}"
        todo = "change what it names, or choose another host"
        yield case.failed("judgement", message, todo, target=said)
    else:
        yield case.passed("judgement", "libvirt of the target has nothing against it")

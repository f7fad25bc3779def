"""Who writes to an image, and whom that is in the way of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.images.chains import Chains
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.images.uses import (
    READS,
    STANDS,
    WRITES,
    Use,
    uses_of_domain,
)
from support import worlds

UUID = "c6c7d6b1-0c0e-4d0e-9a55-9f6b0c6f1c11"
BASE = f"""<domain type='qemu'{{attributes}}><name>base</name><uuid>{UUID}</uuid>
<metadata xmlns:fleet="urn:kvm.fleet:1"><fleet:resource managed="yes">
<fleet:template is="yes" uuid="{UUID}"/></fleet:resource></metadata>
<devices><disk type='file' device='disk'><source file='/images/base.raw'/><target dev='vda'/></disk>
</devices></domain>"""


@pytest.mark.parametrize(("attributes", "does"), [("", READS), (" id='7'", WRITES)])
def test_what_a_template_does_with_its_disk(attributes: str, does: str) -> None:
    domain = parse(BASE.format(attributes=attributes))
    [use] = uses_of_domain(domain, "vm/base", Chains(worlds.world({})), deep=False)
    assert use.does == does


OWN = Use("vm/web", "disks.root", "/a", WRITES)


@pytest.mark.parametrize(
    ("use", "old", "found"),
    [
        (replace(OWN, does=READS), OWN, True),
        (replace(OWN, shared=True), OWN, True),
        (replace(OWN, does=READS, shared=True), replace(OWN, does=READS), True),
        (OWN, replace(OWN, does=READS), False),
        (OWN, replace(OWN, shared=True), False),
        (replace(OWN, does=READS), replace(OWN, does=STANDS), False),
        (replace(OWN, does=READS), replace(OWN, path="/b"), False),
        (replace(OWN, does=READS), replace(OWN, what="disks.data"), False),
    ],
)
def test_whether_a_disk_is_in_the_way_of_nobody_more(use: Use, old: Use, found: bool) -> None:
    assert use.is_no_more_than(old) is found

"""Who writes to an image: a template does not, unless somebody started it."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.images.chains import Chains
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.images.uses import (
    READS,
    WRITES,
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

"""Lines of the SMBIOS that have secrets in them: compared as they are, and shown to nobody."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import fields, sensitive, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.hidden import revealed
from ansible_collections.kvm.fleet.plugins.module_utils.engine.specs import want_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.platform_rows import SMBIOS_ROWS

LINE = "ds=nocloud;s=https://me:sesame@192.0.2.1/"
DOMAIN = f"""<domain><name>web</name><sysinfo type='smbios'>
<system><entry name='serial'>{LINE}</entry><entry name='sku'>web-7</entry></system>
<chassis><entry name='asset'>password=sesame</entry></chassis></sysinfo></domain>"""
SERIAL = ("smbios", "system", "serial")


def test_a_line_in_a_snapshot_is_the_one_that_is_declared() -> None:
    """Of a snapshot it has a token; it is no change, and another secret is one."""
    tree = xmltree.parse(DOMAIN)
    known, recorded = (fields.values_of(SMBIOS_ROWS, one) for one in (tree, sensitive.masked(tree)))
    assert recorded == known
    assert "sesame" not in f"{known}{recorded}" and known[("smbios", "system", "sku")] == "web-7"
    assert revealed(known[SERIAL]) == LINE
    other = fields.values_of(SMBIOS_ROWS, xmltree.parse(DOMAIN.replace("sesame", "open")))
    assert other[SERIAL] != recorded[SERIAL]


@pytest.mark.parametrize(
    ("line", "says"),
    [("a\nb", "is not a text on one line"), ("password=(hidden)", "write the secret")],
)
def test_a_line_that_cannot_be_is_refused(line: str, says: str) -> None:
    mistakes = Mistakes("vm/web")
    want_of(SMBIOS_ROWS, {"smbios": {"system": {"serial": line}}}, mistakes)
    assert says in str(mistakes.errors)

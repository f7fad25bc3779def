"""What libvirt's hook reads of a definition, without parsing XML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.host.promise_xml import vm_of_xml
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.promised import promise_of

# What libvirt wrote for the golden cases of VMs.
CASES = sorted((Path(__file__).parents[2] / "golden/vm").glob("*/*.xml"))
GIB = 2**30
HEAD = "<name>a&amp;b &#x41;</name>\n  <uuid>5c6e</uuid>"
METADATA = """
  <metadata>
    <x:a xmlns:x="urn:x"><x:reservation cpu="9"/><memory>1</memory></x:a>
    <f:resource xmlns:f='urn:kvm.fleet:1' managed="yes" uuid="5c6e">
      <f:reservation cpu="1.5" memory='{memory}' dedicated="yes"/>
    </f:resource>
  </metadata>"""
BODY = """
  <memory unit='KiB'>1048576</memory>
  <currentMemory unit='KiB'>524288</currentMemory>
  <memoryBacking>
    <hugepages><page size='2048' unit='KiB'/></hugepages>
  </memoryBacking>
  <vcpu placement='static' current='2'>4</vcpu>
  <cputune>
    <shares>400</shares>
    <vcpupin vcpu='0' cpuset='2'/><vcpupin vcpu='1' cpuset='4-5'/>
    <emulatorpin cpuset='0'/>
  </cputune>
  <resource><partition>/machine/gold/inner</partition></resource>
  <devices>
    <memory model='dimm'/><shares>1</shares>
  </devices>"""


def domain(*parts: str) -> str:
    return f"<domain type='kvm' id='3'>\n  {''.join(parts)}\n</domain>\n"


def test_all_that_a_vm_is_promised() -> None:
    found = vm_of_xml(domain(HEAD, METADATA.format(memory="524288"), BODY))
    assert (found.name, found.uuid, found.pool) == ("a&b A", "5c6e", "gold/inner")
    assert (found.memory, found.reserved, found.huge_page) == (GIB, GIB // 2, 2**21)
    assert (found.vcpus, found.cpu, found.shares) == (2, 1500, 400)
    assert (found.dedicated, found.cpus) == (True, (2, 4, 5))


def test_all_of_its_memory() -> None:
    assert vm_of_xml(domain(HEAD, METADATA.format(memory="all"), BODY)).reserved == GIB


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("<vcpu>3</vcpu>", "vcpus", 3),
        ("<memory unit='GiB'>2</memory>", "memory", 2 * GIB),
        ("<memory>1024</memory>", "memory", 2**20),
        ("<memoryBacking><locked/></memoryBacking>", "huge_page", 0),
        ("<memoryBacking><hugepages/></memoryBacking>", "huge_page", 2**21),
        ("<resource><partition>/gold</partition></resource>", "pool", "/gold"),
        ("<resource><partition>/machine</partition></resource>", "pool", ""),
        ("<cputune><vcpupin vcpu='0' cpuset='1'/></cputune>", "cpus", (1,)),
        ("<cputune><vcpupin vcpu='0' cpuset='1-2'/></cputune>", "cpus", ()),
        ("<metadata/>", "cpu", 0),
        ("<metadata> </metadata><vcpu current='2'>3</vcpu>", "vcpus", 2),
    ],
)
def test_what_others_wrote(part: str, field: str, value: Any) -> None:
    assert getattr(vm_of_xml(domain(HEAD, part)), field) == value


OURS = "<f:resource xmlns:f='urn:kvm.fleet:1'><f:reservation cpu='1.5'/></f:resource>"
THEIRS = "<x:a xmlns:x='urn:x'>{}</x:a>"


@pytest.mark.parametrize(
    "metadata",
    [
        OURS + THEIRS.format("<devices>3</devices>"),
        OURS + THEIRS.format("<metadata>3</metadata><memory>9</memory><vcpu>9</vcpu>"),
        THEIRS.format("<metadata>3</metadata><name>x</name>") + OURS,
        f"<!-- {OURS.replace('1.5', '9')} </metadata>-->" + OURS,
        THEIRS.format(f"<![CDATA[{OURS.replace('1.5', '9')}]]>") + OURS,
        OURS.replace("f:re", "re").replace("xmlns:f", "xmlns"),
        THEIRS.format(OURS.replace("1.5", "9")) + OURS,
        OURS + OURS.replace("1.5", "9"),
        OURS.replace("</f:resource>", "<f:reservation cpu='9'/></f:resource>"),
        OURS.replace("<f:res", "<f:tags><f:reservation cpu='9'/></f:tags><f:res", 2).replace(
            "<f:tags><f:reservation cpu='9'/></f:tags>", "", 1
        ),
        OURS.replace("f:", "g:").replace("urn:kvm", "urn:x") + OURS,
        "<?x a='>' ?>" + OURS,
    ],
    ids=[
        *("devices", "elements of ours", "before ours", "comment", "CDATA", "no prefix"),
        *("a copy that others keep", "another record", "another reservation", "deeper"),
        *("of another namespace", "instruction"),
    ],
)
def test_whatever_else_is_in_the_metadata(metadata: str) -> None:
    text = domain(HEAD, f"<metadata>{metadata}</metadata>", BODY)
    found = vm_of_xml(text)
    assert (found.name, found.vcpus, found.memory, found.cpu) == ("a&b A", 2, GIB, 1500)
    assert found == promise_of(xmltree.parse(text))


@pytest.mark.parametrize(
    "metadata",
    [
        THEIRS.format(OURS),
        OURS.replace("reservation", "reservations"),
        OURS.replace("<f:reservation", "<f:a><f:reservation").replace("/></f", "/></f:a></f"),
        OURS.replace("<f:reservation cpu='1.5'/>", "") + OURS,
        OURS.replace("1.5", "many"),
        OURS.replace("cpu='1.5'", "cpu='-1' memory='plenty'"),
    ],
)
def test_what_is_no_promise_of_ours(metadata: str) -> None:
    text = domain(HEAD, f"<metadata>{metadata}</metadata>", BODY)
    assert (vm_of_xml(text).cpu, vm_of_xml(text).reserved) == (0, 0)
    assert vm_of_xml(text) == promise_of(xmltree.parse(text))


@pytest.mark.parametrize("file", CASES, ids=lambda file: str(file.parent.name))
def test_it_is_what_plans_read_of_the_same_definition(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    tree = xmltree.parse(text)
    domains = [one for one in tree.iter("domain") if one.find("name") is not None]
    for one in domains:
        assert vm_of_xml(xmltree.serialise(one)) == promise_of(one)

"""What a host has to promise, as far as libvirt tells it."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import Capacity
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.host.promised import told_by_libvirt

CELL = """<cell id="{id}"><memory unit="KiB">2097152</memory>
<pages unit="KiB" size="2048">{huge}</pages><pages unit="KiB" size="{small}">262144</pages>
<cpus num="1"><cpu id="{id}"/></cpus></cell>"""


def host(*cells: str) -> Capacity:
    whole = f"<host><topology><cells>{''.join(cells)}</cells></topology></host>"
    return told_by_libvirt(parse(f"<capabilities>{whole}</capabilities>"))


def test_pages_that_all_memory_of_a_node_is_in_are_no_huge_ones() -> None:
    """libvirt's test driver has nodes with pages of 4 KiB, and of 8 KiB."""
    found = host(CELL.format(id=0, huge=3, small=4), CELL.format(id=1, huge=2, small=8))
    assert found.huge_pages == {2 << 20: 5}
    assert (found.cpus, found.memory) == ((0, 1), 4 << 30)


def test_a_node_without_memory_has_no_pages() -> None:
    empty = '<cell id="1"><memory unit="KiB">0</memory><cpus num="1"><cpu id="1"/></cpus></cell>'
    found = host(CELL.format(id=0, huge=3, small=4), empty)
    assert (found.cpus, found.huge_pages) == ((0, 1), {2 << 20: 3})

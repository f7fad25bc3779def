"""NUMA on a real libvirtd: cells that come, change and go, and what others made of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from support.module_server import ModuleServer
from support.observer import Observer
from support.one_vm import Host
from support.private_libvirtd import PrivateLibvirtd

HMAT = """<cpu mode='custom'><model>qemu64</model><numa>
  <cell id='0' cpus='0' memory='32768' unit='KiB'><distances><sibling id='0' value='10'/>
    <sibling id='1' value='21'/></distances></cell>
  <cell id='1' cpus='1' memory='32768' unit='KiB' discard='yes'/>
</numa></cpu><numatune><memory mode='preferred' nodeset='0'/>
  <memnode cellid='1' mode='strict' nodeset='0'/></numatune>"""


@pytest.fixture
def host(libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str) -> Host:
    return Host(libvirtd, modules, observer, prefix)


def test_cells_come_with_a_vm_and_it_starts(host: Host) -> None:
    cells = [
        {"id": 0, "cpus": "0-1", "memory": "48MiB"},
        {"id": 1, "cpus": "2", "memory": "16MiB"},
    ]
    placement = {"mode": "preferred", "nodes": "0"}
    done = host.declare(state="running", numa={"cells": cells, "placement": placement})
    assert done["vm"]["numa"] == {"cells": cells, "placement": placement}
    assert (done["vm"]["cpu"]["maximum"], done["vm"]["memory"]["maximum"]) == (3, "64MiB")

    cells = [{"id": 0, "cpus": "0-2", "memory": "64MiB"}, {"id": 1, "state": "absent"}]
    done = host.declare(numa={"cells": cells}, cpu={"count": 3})
    assert {row["class"] for row in done["plan"]} == {"restart"}
    assert "numa.cells.1" in {row["field"] for row in done["pending_restart"]}

    done = host.declare(numa={"cells": [{"id": 0, "state": "absent"}]})
    assert "cells" not in done["vm"]["numa"] and "<numa>" not in host.xml()


def test_what_others_said_of_cells_stays(host: Host) -> None:
    before = host.defined(HMAT, vcpus="2")
    cells = [{"id": 0, "cpus": "0", "memory": "32MiB"}, {"id": 1, "cpus": "1", "memory": "32MiB"}]
    assert not host.declare(numa={"cells": cells})["changed"]
    assert host.xml() == before
    done = host.declare(numa={"cells": [{"id": 1, "memory": "64MiB"}]})
    assert [row["field"] for row in done["plan"]] == ["memory.maximum", "numa.cells.1.memory"]
    tree = ET.fromstring(host.xml())
    assert tree.findtext("memory") == str(96 * 1024)
    assert [cell.get("discard") for cell in tree.iterfind("cpu/numa/cell")] == [None, "yes"]
    assert len(tree.findall("cpu/numa/cell/distances/sibling")) == 4
    assert len(tree.findall("numatune/memnode")) == 1


@pytest.mark.parametrize("of_others", ["<memory placement='auto'/>", "<memory nodeset='0'/>"])
def test_a_placement_goes_where_cpus_are_chosen_at_the_start(host: Host, of_others: str) -> None:
    host.defined(f"<numatune>{of_others}</numatune>")
    automatic = host.xml().replace("<vcpu placement='static'", "<vcpu placement='auto'")
    host.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=automatic)
    host.declare(numa={"placement": {"mode": "none"}})
    assert "numatune" not in host.xml() and "<vcpu placement='static'>1" in host.xml()

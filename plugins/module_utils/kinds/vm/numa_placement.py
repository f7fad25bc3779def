# SPDX-License-Identifier: GPL-3.0-or-later
"""On which NUMA nodes of the host the memory of a VM is."""

from __future__ import annotations

from collections.abc import Mapping

from ...engine.codecs import Value
from ...engine.cpu_lists import cpus_in, listed
from ...engine.errors import Mistakes
from ...engine.host import HostFacts
from ...engine.keys import Key, Values, named

MODE, NODES = (("numa", "placement", name) for name in ("mode", "nodes"))
NONE, STRICT = "none", "strict"


def resolve(values: dict[Key, Value], stored: Values) -> None:
    """Nodes without a mode are those that all of it is on; without a mode there are no nodes."""
    if values.get(MODE) == NONE:
        values.setdefault(NODES, "")
    elif values.get(NODES) == "":
        values.setdefault(MODE, NONE)
    elif values.get(NODES) and stored.get(MODE, NONE) == NONE:
        values.setdefault(MODE, STRICT)


def check(
    want: Mapping[Key, Value], stored: Values, after: Values, host: HostFacts, mistakes: Mistakes
) -> None:
    """A mode has nodes, and those are the host's."""
    declared = {key for key in (MODE, NODES) if key in want and want[key] != stored.get(key)}
    if not declared:
        return
    mode, nodes = after[MODE], after[NODES]
    if (mode == NONE) != (not nodes):
        message = "goes with nodes; write both, or none of them"
        mistakes.add(message, named(MODE if MODE in declared else NODES))
    there = {cell.number for cell in host.cells}
    beyond = cpus_in(nodes) - there if there else set()
    if beyond and NODES in declared:
        message = f"the host has no NUMA node {listed(beyond)}; it has {listed(there)}"
        mistakes.add(message, named(NODES))

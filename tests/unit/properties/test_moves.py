"""Moves: there and back is where one was, and a report depends on nothing but recorded facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import serialise
from ansible_collections.kvm.fleet.plugins.module_utils.moving.fates import fates
from ansible_collections.kvm.fleet.plugins.module_utils.moving.mapped import definition_there
from ansible_collections.kvm.fleet.plugins.module_utils.moving.move import Move
from ansible_collections.kvm.fleet.plugins.module_utils.moving.preflight import preflight
from ansible_collections.kvm.fleet.plugins.module_utils.run.host_config import KINDS
from support import moves

NAMES = st.text("abcdef", min_size=1, max_size=3)
TYPES = {"netfs": moves.NETFS, "dir": moves.DIR}
DISK = (
    '<disk type="{type}" device="disk"><driver name="qemu" type="qcow2"/><source {source}/>'
    '<target dev="vd{letter}" bus="virtio"/></disk>'
)
NIC = (
    '<interface type="network"><mac address="52:54:00:00:01:{n:02x}"/>'
    '<source network="{net}"/></interface>'
)


@dataclass
class Site:
    """Where things are on each of two hosts, by other names."""

    pools: dict[str, str]
    vswitches: dict[str, str]
    kinds: dict[str, str]
    disks: list[tuple[str, bool]]  # in which pool, and whether it is defined by pool and volume
    nics: list[str]
    two: moves.Two = field(default_factory=moves.Two)

    def folder(self, name: str, at_target: bool) -> str:
        return f"/{'there' if at_target else 'here'}/{name}"

    def settle(self) -> moves.Two:
        """The hosts as they are before the move."""
        self._host(self.two.source, dict(zip(self.pools, self.pools)), list(self.vswitches), False)
        self._host(self.two.target, self.pools, list(self.vswitches.values()), True)
        disks = "".join(self._disk(number, *disk) for number, disk in enumerate(self.disks))
        nics = "".join(NIC.format(n=number, net=net) for number, net in enumerate(self.nics))
        net = next(iter(self.vswitches))
        self.two.vm(root=disks, devices=nics, nic=f'<source network="{net}" portgroup="web"/>')
        self.two.options = {"pools": self.pools, "vswitches": self.vswitches}
        return self.two

    def _host(self, host: Any, pools: dict[str, str], vswitches: list[str], there: bool) -> None:
        host.haves["storage_pool"] = [
            moves.pool(name, self.folder(name, there), TYPES[self.kinds[here]])
            for here, name in pools.items()
        ]
        host.haves["vswitch"] = [moves.vswitch(name) for name in vswitches]
        host.haves["storage_volume"] = [
            moves.volume(f"{pools[pool]}/v{number}", f"{self.folder(pools[pool], there)}/v{number}")
            for number, (pool, _by_name) in enumerate(self.disks)
        ]

    def _disk(self, number: int, pool: str, by_name: bool) -> str:
        path = f"{self.folder(pool, False)}/v{number}"
        source = f'pool="{pool}" volume="v{number}"' if by_name else f'file="{path}"'
        kind = "volume" if by_name else "file"
        return DISK.format(type=kind, source=source, letter="abcdefgh"[number])


@st.composite
def sites(draw: st.DrawFn) -> Site:
    here = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    there = draw(st.lists(NAMES, min_size=len(here), max_size=len(here), unique=True))
    nets = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    nets_there = draw(st.lists(NAMES, min_size=len(nets), max_size=len(nets), unique=True))
    kinds = {name: draw(st.sampled_from(sorted(TYPES))) for name in here}
    disks = draw(st.lists(st.tuples(st.sampled_from(here), st.booleans()), max_size=4))
    nics = draw(st.lists(st.sampled_from(nets), max_size=3))
    return Site(dict(zip(here, there)), dict(zip(nets, nets_there)), kinds, disks, nics)


@given(sites())
def test_there_and_back_is_where_one_was(site: Site) -> None:
    two = site.settle()
    move = two.move()
    before = move.have.definition
    there = definition_there(move, fates(move), before)
    back = moves.Two(two.target, two.source)
    back.source.haves["vm"] = [moves.Have("vm", moves.VM, there, there, move.have.facts)]
    back.target.haves["vm"] = []
    back.options = {
        name: {other: own for own, other in of.items()} for name, of in two.options.items()
    }
    again = back.move()
    returned = definition_there(again, fates(again), there)
    assert serialise(returned) == serialise(before)
    assert all(fate.how in ("shared", "copied") for fate in [*fates(move), *fates(again)])


@given(sites())
def test_what_was_recorded_gives_the_same_report(site: Site) -> None:
    move = site.settle().move()
    report = preflight(move)
    kinds = {kind.name: kind for kind in KINDS}
    sides = [
        side._replace(world=World.load(side.world.dump(), kinds))
        for side in (move.source, move.target)
    ]
    assert preflight(Move(move.vm, *sides, move.options)) == report


def test_a_definition_is_not_edited_but_copied() -> None:
    move = moves.Two(options={"vswitches": {"lan": "other"}}).move()
    before = serialise(move.have.definition)
    definition_there(move, fates(move), move.have.definition)
    assert serialise(move.have.definition) == before

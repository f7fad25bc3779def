"""A volume that does not fit into its pool is refused before it is made, if that is sure."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import File, Image
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume.kind import KIND
from support import worlds

GIB = 1 << 30
IMAGE = "/srv/a.raw"


def pool(kind: str, free: int) -> Have:
    tree = xmltree.parse(
        f"<pool type='{kind}'><name>p</name><capacity>{100 * GIB}</capacity>"
        f"<available>{free}</available><target><path>/pool</path></target></pool>"
    )
    return Have("storage_pool", "p", tree, tree, {"state": "active", "persistent": True})


def volume(name: str, allocation: int) -> Have:
    tree = xmltree.parse(
        f"<volume><name>{name}</name><capacity>{80 * GIB}</capacity><allocation>{allocation}"
        f"</allocation><target><path>/pool/{name}</path><format type='raw'/></target></volume>"
    )
    return Have("storage_volume", f"p/{name}", tree)


def world(kind: str = "dir", free: int = 10 * GIB, seen: int | None = None) -> World:
    """A pool with so much free, as libvirt saw it last; and as it sees it when it looks anew."""
    facts: dict[Any, Any] = {
        **worlds.HERE,
        ("free_in", "p"): seen,
        ("file", IMAGE): File("file", size=90 * GIB, allocated=20 * GIB),
        ("image", IMAGE): Image("raw", 90 * GIB),
        ("written", IMAGE): "",
        ("written", "/pool/base"): "",
    }
    base = {"p/base": volume("base", 30 * GIB)}
    return worlds.world({"storage_pool": {"p": pool(kind, free)}, "storage_volume": base}, facts)


def planned(of: World, **options: Any) -> Plan:
    declared = {"pool": "p", "name": "new", "format": "raw", "state": "present", **options}
    spec = KIND.spec()
    whole = {name: row.get("default") for name, row in spec.items()} | declared
    [wanted] = KIND.parse(whole)
    of.declared = {**of.declared, (KIND.name, wanted.name): wanted}
    plan = KIND.plan(wanted, Have(KIND.name, wanted.name), of)
    of.add(plan)
    return plan


def refused(of: World, **options: Any) -> str:
    with pytest.raises(FleetErrors) as caught:
        planned(of, **options)
    [error] = caught.value.errors
    assert error.field == "capacity"
    return str(error)


THICK = {"provisioning": "thick"}


def test_a_thick_one_is_refused() -> None:
    said = refused(world(), capacity="20GiB", **THICK)
    assert "takes 20GiB, and pool p has 10GiB free; make room there" in said
    assert planned(world(), capacity="10GiB", **THICK).changes
    assert planned(world(), capacity="20GiB").warnings == ()


def test_of_block_devices_all_are_thick() -> None:
    assert "takes 11GiB" in refused(world("logical"), capacity="11GiB")


def test_what_is_kept_for_root_may_be_enough() -> None:
    [warning] = planned(world(), capacity="12GiB", **THICK).warnings
    assert "takes 12GiB, and pool p has 10GiB free" in warning


def test_libvirt_looks_anew_before_anything_is_refused() -> None:
    assert planned(world(seen=30 * GIB), capacity="20GiB", **THICK).warnings == ()
    assert "has 2GiB free" in refused(world(seen=2 * GIB), capacity="20GiB", **THICK)


def test_what_the_run_makes_beside_it_counts() -> None:
    of = world("logical")
    planned(of, name="first", capacity="6GiB")
    said = refused(of, name="second", capacity="6GiB")
    assert "has 10GiB free, of which others of this run take 6GiB" in said


def test_an_image_takes_what_is_no_hole() -> None:
    assert "takes 20GiB" in refused(world(), image=IMAGE)
    assert planned(world(free=20 * GIB), image=IMAGE).warnings == ()


def test_a_copy_may_take_less() -> None:
    [warning] = planned(world(), copy_of={"volume": "base"}).warnings
    assert "takes up to 30GiB, and pool p has 10GiB free" in warning

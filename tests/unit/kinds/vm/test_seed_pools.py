"""A seed in a pool that is not active, or not there any more: judged before the first change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import asleep
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND
from support import worlds

CASE = Path(__file__).parents[3] / "golden" / "vm" / "seed-goes"
WORLD = CASE / "world"
SEED = "images/web-cidata.iso"


def plan(pool: str, seen: bool = True, **options: Any) -> Plan:
    """The plan for a VM whose seed is in a pool that is `active`, `inactive` or `gone`."""
    there: dict[str, dict[str, Have]] = {"storage_pool": {}, "storage_volume": {}, "vm": {}}
    tree = xmltree.parse((WORLD / "storage_pool" / "images.xml").read_text())
    if pool != "gone":
        live = tree if pool == "active" else None
        there["storage_pool"]["images"] = Have("storage_pool", "images", tree, live, {})
    volume = xmltree.parse((WORLD / "storage_volume" / f"{SEED}.xml").read_text())
    is_there = pool != "gone" and seen
    facts = {} if pool == "gone" or seen else {"unseen": True}
    volumes = {SEED: Have("storage_volume", SEED, volume if is_there else None, None, facts)}
    there["storage_volume"] = volumes
    stored = xmltree.parse((CASE / "before.xml").read_text())
    facts = {"state": "stopped", "autostart": False, "persistent": True}
    there["vm"]["web"] = Have("vm", "web", stored, None, facts)
    world = worlds.world(there)
    checked = ArgumentSpecValidator(KIND.spec()).validate({"name": "web", **options})
    wanted = KIND.parse(checked.validated_parameters)[-1]
    return KIND.plan(wanted, there["vm"]["web"], world)


GOES: list[dict[str, Any]] = [{"state": "absent"}, {"cloud_init": {}}]


@pytest.mark.parametrize("options", GOES)
@pytest.mark.parametrize("seen", [True, False])
def test_a_pool_that_is_not_active_is_told_before_the_first_change(
    options: dict[str, Any], seen: bool
) -> None:
    with pytest.raises(FleetErrors, match="is to go, and pool images is not active"):
        plan("inactive", seen, **options)


@pytest.mark.parametrize("options", GOES)
def test_a_volume_whose_pool_is_gone_is_told_to_stay(options: dict[str, Any]) -> None:
    kept = [change for change in plan("gone", **options).changes if change.after == "kept"]
    assert [(change.before, change.note) for change in kept] == [
        (SEED, "there is no pool images by which it could be removed")
    ]


@pytest.mark.parametrize("options", GOES)
def test_a_volume_in_a_pool_that_is_active_goes(options: dict[str, Any]) -> None:
    lost = [change for change in plan("active", **options).changes if change.before == SEED]
    assert any(change.removes or change.after == "absent" for change in lost)


@pytest.mark.parametrize(("rest", "said"), [(123456789, ".123456789"), (0, "")])
def test_a_file_of_a_stopped_pool_has_the_time_that_libvirt_tells(
    rest: int, said: str, tmp_path: Path
) -> None:
    """By which it is seen that others wrote to a seed: a run that changes nothing would make it."""
    file = tmp_path / "a.iso"
    file.write_bytes(b"")
    os.utime(file, ns=(0, 1764232345 * 10**9 + rest))
    volume = asleep.volume_at(file)
    assert volume is not None
    assert xmltree.get(volume, "target/timestamps/mtime") == f"1764232345{said}"

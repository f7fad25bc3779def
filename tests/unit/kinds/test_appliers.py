"""What brings changes to what runs: each row's applier is there, and each applier is a row's."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Came, Changed, Went
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import Items, Row, Rows
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import CREATE, DELETE, UPDATE
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret import (
    applier as secret_applier,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret import steps as secret_steps
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret import table as secret
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import (
    applier as storage_pool_applier,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import (
    table as storage_pool,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import (
    used as storage_pool_used,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import (
    applier as storage_volume_applier,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import (
    kind as storage_volume,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import applier as vm_applier
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import effects, power
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import table as vm
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.applier_live import APPLIERS
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.live import Applier
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.states import (
    PAUSED,
    RUNNING,
    SAVED,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import (
    applier as vswitch_applier,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import steps as vswitch_steps
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import table as vswitch


def every_row(rows: Rows) -> Iterator[Row]:
    for row in rows:
        yield row
        if isinstance(row, Items):
            yield from every_row(row.rows)


def test_every_row_has_an_applier_for_each_change_that_can_be_of_it() -> None:
    called = {
        (change, row.applier)
        for row in every_row(vm.ROWS)
        if row.applier is not None
        for change in ((Came, Went) if isinstance(row, Items) else (Changed,))
    }
    assert called == set(APPLIERS)


def test_every_applier_is_named_by_a_row() -> None:
    assert {row.applier for row in every_row(vm.ROWS)} - {None} == set(Applier)


def test_every_step_of_a_kind_is_in_its_applier_and_no_other() -> None:
    assert set(storage_pool_applier.STEPS) == storage_pool_used.STEPS.names
    assert set(secret_applier.STEPS) == {
        *(secret_steps.DEFINE, secret_steps.OPEN, secret_steps.SET, secret_steps.UNDEFINE)
    }
    assert set(vswitch_applier.STEPS) == vswitch_steps.STEPS.names


def test_every_step_of_a_vms_power_is_in_its_applier_and_no_other() -> None:
    ways = [
        *power.STEPS.values(),
        *(power.restart(now, power.PRESENT) for now in (RUNNING, PAUSED, SAVED)),
    ]
    assert set(vm_applier.POWER) == {step for way in ways for step in way}


def test_every_action_on_a_volume_is_in_its_applier() -> None:
    assert set(storage_volume_applier.APPLIERS) == {CREATE, UPDATE, DELETE}


def test_what_may_have_to_wait_is_of_an_applier() -> None:
    assert set(effects.CONDITIONS) <= set(Applier)


def test_only_a_vm_is_changed_option_by_option_while_it_runs() -> None:
    families = [family.rows for family in vswitch.FAMILIES]
    for rows in (secret.ROWS, storage_pool.ROWS, storage_volume.ROWS, vswitch.ROWS, *families):
        assert not [row.name for row in every_row(rows) if row.applier is not None]

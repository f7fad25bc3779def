"""What brings changes to what runs: each row's applier is there, and each applier is a row's."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Came, Changed, Went
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import Items, Row, Rows
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import (
    table as storage_pool,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import (
    kind as storage_volume,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import effects
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import table as vm
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.applier_live import APPLIERS
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.live import Applier
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


def test_what_may_have_to_wait_is_of_an_applier() -> None:
    assert set(effects.CONDITIONS) <= set(Applier)


def test_only_a_vm_is_changed_option_by_option_while_it_runs() -> None:
    families = [family.rows for family in vswitch.FAMILIES]
    for rows in (storage_pool.ROWS, storage_volume.ROWS, vswitch.ROWS, *families):
        assert not [row.name for row in every_row(rows) if row.applier is not None]

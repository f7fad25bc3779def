"""Tables: what is written through one is read back, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import (
    Field,
    Items,
    Rows,
    rows_by_key,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import (
    ABSENT,
    PRESENT,
    Key,
    Values,
    is_of_any,
    key_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import Element
from support.strategies import Params
from support.tables import TABLES, Table

KINDS = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def wanted(table: Table, params: Params) -> Values:
    """What is declared, without options of a thing that the declaration does not set, or takes
    away, and without screens beside a first that may not be there (rules refuse them)."""
    mistakes = Mistakes()
    want = table.want_of(params, mistakes)
    assert not mistakes.errors
    rows = [row for row in table.rows if isinstance(row, Items)]
    beside = {row.name for row in rows if row.path.endswith("[+]")}
    return {
        k: v
        for k, v in want.items()
        if k[0] not in beside and owner(table.rows, k, want) is not None
    }


@KINDS
def test_what_is_written_is_read_back(table: Table) -> None:
    @given(table.declarations)
    def holds(params: Params) -> None:
        want = wanted(table, params)
        found = table.values_of(table.edited(xmltree.parse(table.bare), want))
        assert {key: found.get(key, ABSENT) for key in want} == want
        assert {key for key in want if want[key] is ABSENT}.isdisjoint(found)
        assert {key for key in want if want[key] is PRESENT} <= found.keys()

    holds()


def written(table: Table, *declared: Params) -> Element:
    """A tree after several declarations."""
    tree = xmltree.parse(table.bare)
    for params in declared:
        tree = table.edited(tree, wanted(table, params))
    return tree


@KINDS
def test_to_write_again_changes_nothing(table: Table) -> None:
    @given(table.declarations, table.declarations)
    def holds(before: Params, params: Params) -> None:
        once = written(table, before, params)
        assert xmltree.serialise(written(table, before, params, params)) == xmltree.serialise(once)

    holds()


@KINDS
def test_to_write_what_is_there_changes_nothing(table: Table) -> None:
    @given(table.declarations, st.data())
    def holds(params: Params, data: st.DataObject) -> None:
        tree = written(table, params)
        there = table.values_of(tree)
        keys = data.draw(st.sets(st.sampled_from(sorted(there)))) if there else set()
        again = table.edited(tree, {key: there[key] for key in keys})
        assert xmltree.serialise(again) == xmltree.serialise(tree)

    holds()


@KINDS
def test_what_is_not_named_stays(table: Table) -> None:
    @given(table.declarations, table.declarations)
    def holds(before: Params, params: Params) -> None:
        tree, want = written(table, before), wanted(table, params)
        marks = mark(table.rows, tree)
        was, after = table.values_of(tree), table.edited(tree, want)
        now = table.values_of(after)
        unnamed = {key for key in was if not is_named(table.rows, key, want)}
        assert {key: now.get(key, ABSENT) for key in unnamed} == {key: was[key] for key in unnamed}
        assert [one.tag for one in after.iter() if one.tag.startswith("foreign")] == marks

    holds()


def mark(rows: Rows, tree: Element) -> list[str]:
    """Put something of nobody's into every element that a row is in and none owns."""
    for place, row in enumerate(rows):
        above = row.path.rpartition("/")[0]
        element = xmltree.find(tree, above)
        if element is not None and isinstance(row, Field) and "!" not in row.path:
            element.append(Element(f"foreign{place}"))
    return [one.tag for one in tree.iter() if one.tag.startswith("foreign")]


def is_named(rows: Rows, key: Key, want: Values) -> bool:
    """Whether a declaration says something of a value, or takes away what it stands in."""
    gone = [other for other, value in want.items() if value is ABSENT]
    return key in want or is_of_any(key, gone) or owner(rows, key, want, unsaid="") is None


def owner(rows: Rows, key: Key, want: Values, unsaid: str | None = None) -> str | None:
    """What is declared to be written of what owns the element that a value stands in: None takes
    it away. `unsaid` is for where nothing is declared, and what has no owner is its own."""
    row = rows_by_key(rows, key)
    if not isinstance(row, Field):
        return ""
    thing = key[: len(key) - len(key_of(row.name))]
    beside = rows_by_key(rows, thing) if thing else None
    for other in beside.rows if isinstance(beside, Items) else rows:
        if isinstance(other, Field) and other is not row and _is_in(row, other):
            at = (*thing, *key_of(other.name))
            return other.codec.encode(want[at]) if at in want else unsaid
    return ""


def _is_in(row: Field, owner: Field) -> bool:
    return "!" in owner.path and row.path.startswith(f"{owner.path.partition('!')[0]}/")

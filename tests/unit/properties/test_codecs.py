"""Codecs and units: what is written is read back, in whatever way a user wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ansible_collections.kvm.fleet.plugins.module_utils.engine.codecs import Codec
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import (
    Field,
    Items,
    Rows,
    Variant,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.texts import as_kept
from ansible_collections.kvm.fleet.plugins.module_utils.engine.units import (
    LIMIT,
    format_size,
    parse_size,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.yaml_text import to_yaml
from support.strategies import LINES, sizes, values_for
from support.tables import ALL_ROWS


def codecs_of(rows: Rows, above: str) -> Iterator[tuple[int, tuple[str, Codec]]]:
    """Every codec of some rows by its identity, with where it stands."""
    for row in rows:
        at = f"{above}.{row.name}"
        if isinstance(row, Field):
            yield id(row.codec), (at, row.codec)
        elif isinstance(row, Variant):
            yield from codecs_of(tuple(f for case in row.cases.values() for f in case), at)
        elif isinstance(row, Items):
            yield id(row.key[1]), (f"{at}.{row.key[0]}", row.key[1])
            yield from codecs_of(row.rows, at)


CODECS = dict(
    dict(one for kind, rows in ALL_ROWS.items() for one in codecs_of(rows, kind)).values()
)


@pytest.mark.parametrize("name", CODECS)
def test_a_value_is_read_as_it_was_written(name: str) -> None:
    codec = CODECS[name]

    @given(values_for(codec))
    def holds(written: Any) -> None:
        value = codec.parse(as_kept(written, in_attribute=True))
        assert codec.decode(codec.encode(value)) == value
        # What is told of it can be declared again.
        assert codec.parse(value) == value

    holds()


@given(st.integers(0, LIMIT - 1))
def test_a_size_is_told_exactly(number: int) -> None:
    assert parse_size(format_size(number)) == number


@given(sizes())
def test_a_size_is_the_same_in_all_its_ways(written: str) -> None:
    number = parse_size(written)
    assert parse_size(format_size(number)) == number
    assert format_size(parse_size(format_size(number))) == format_size(number)


FRACTIONS = st.floats(allow_nan=False)  # in what goes into a seed
SCALARS = st.none() | st.booleans() | st.integers() | FRACTIONS | LINES


def _mappings_of(values: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    return st.dictionaries(LINES, values, min_size=1, max_size=3)


@given(
    st.recursive(
        _mappings_of(SCALARS), lambda below: _mappings_of(below | st.lists(below | SCALARS))
    )
)
@example({"a": [1e-05, 1e16, -1e300, 0.1, float("inf")]})
@example({"\U0001f600": "a\\ud83d\U0001f600é"})
def test_yaml_says_what_it_was_given(value: dict[str, Any]) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


@given(LINES, st.booleans())
def test_a_text_that_was_kept_is_kept(written: str, in_attribute: bool) -> None:
    try:
        kept = as_kept(written, in_attribute)
    except ValueError:
        return
    assert as_kept(kept, in_attribute) == kept

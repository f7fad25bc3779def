# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two trees, each difference as a path: `devices/disk[2]/driver/@cache`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .xmltree import Element

TEXT, WHOLE = "text()", "*"  # parts of an element, beside its attributes (`@name`)
Accounted = Mapping[int, "set[str]"]
Step = tuple[Element, str]  # a child, and the step of a path that finds it


class Pairs:
    """Elements that are known to be the same thing before and after."""

    def __init__(self) -> None:
        self._after: dict[int, Element] = {}
        self._paired: set[int] = set()

    def add(self, before: Element, after: Element) -> None:
        """Note that the one became the other."""
        self._after[id(before)] = after
        self._paired |= {id(before), id(after)}

    def are_one(self, before: Element, after: Element) -> bool:
        """Whether they are the same thing: known to be, or not known and saying the same."""
        if self._paired & {id(before), id(after)}:
            return self.of(before) is after
        return _say_the_same(before, after)

    def of(self, before: Element) -> Element | None:
        """What an element became, where that is known."""
        return self._after.get(id(before))


def differences(
    before: Element, after: Element, pairs: Pairs, accounted: Accounted, at: str = ""
) -> Iterator[str]:
    """The paths of all that differs and is not accounted for, of either side."""
    known = accounted.get(id(before), set()) | accounted.get(id(after), set())
    if WHOLE in known:
        return
    for name in sorted({*before.attrib, *after.attrib}):
        if before.get(name) != after.get(name) and not _is_known(name, known):
            yield f"{at}@{name}"
    if _text(before) != _text(after) and TEXT not in known:
        yield at.rstrip("/")
    for one, other, step in _children(before, after, pairs, accounted):
        if one is not None and other is not None:
            yield from differences(one, other, pairs, accounted, f"{at}{step}/")
        else:
            yield from _alone(one if one is not None else other, accounted, f"{at}{step}")


def _alone(element: Element | None, accounted: Accounted, at: str) -> Iterator[str]:
    """What is not accounted for of an element that is on one side only."""
    if element is None:
        return
    known = accounted.get(id(element))
    if known is None:
        yield at
    elif WHOLE not in known:
        yield from (f"{at}/@{name}" for name in element.attrib if not _is_known(name, known))
        if _text(element) and TEXT not in known:
            yield at
        for child, step in _steps(element):
            yield from _alone(child, accounted, f"{at}/{step}")


def _is_known(attribute: str, known: set[str]) -> bool:
    """What declares a namespace comes and goes with its element."""
    return f"@{attribute}" in known or (bool(known) and attribute.startswith("xmlns"))


def _text(element: Element) -> str:
    text = element.text or ""
    return text if text.strip() else ""


def _steps(element: Element) -> list[Step]:
    """The children, each with the step that finds it: its tag, numbered where there are several."""
    seen: dict[str, int] = {}
    steps = []
    for child in element:
        tag = _tag(child)
        seen[tag] = seen.get(tag, 0) + 1
        steps.append((child, tag, seen[tag]))
    return [(c, f"{tag}[{n}]" if seen[tag] > 1 else tag) for c, tag, n in steps]


def _tag(element: Element) -> str:
    if not isinstance(element.tag, str):  # a comment or a processing instruction
        return element.tag.__name__.lower()
    return element.tag.rpartition("}")[2]


# ---- which child is which


def _children(
    before: Element, after: Element, pairs: Pairs, accounted: Accounted
) -> Iterator[tuple[Element | None, Element | None, str]]:
    """The children of both sides beside each other, in the order that they have.

    What is the same at both ends is set aside first: to align the rest takes the square of its
    size, and a network may have thousands of reservations.
    """
    ones, others = _steps(before), _steps(after)
    head = _alike(ones, others, pairs)
    tail = _alike(ones[head:][::-1], others[head:][::-1], pairs)
    yield from _known(ones[:head], others[:head], pairs)
    yield from _aligned_children(
        ones[head : len(ones) - tail], others[head : len(others) - tail], pairs, accounted
    )
    yield from _known(ones[len(ones) - tail :], others[len(others) - tail :], pairs)


def _alike(ones: Sequence[Step], others: Sequence[Step], pairs: Pairs) -> int:
    """How many at the beginning of both are the same things."""
    for count, ((one, _step), (other, _its)) in enumerate(zip(ones, others)):
        if not pairs.are_one(one, other):
            return count
    return min(len(ones), len(others))


def _aligned_children(
    ones: Sequence[Step], others: Sequence[Step], pairs: Pairs, accounted: Accounted
) -> Iterator[tuple[Element | None, Element | None, str]]:
    a = b = 0
    ends = (len(ones), len(others))
    aligned = _aligned(
        [child for child, _step in ones],
        [child for child, _step in others],
        pairs,
        lambda child: WHOLE in accounted.get(id(child), ()),
    )
    for one, other in [*aligned, ends]:
        yield from ((free, None, step) for free, step in ones[a:one])
        yield from ((None, free, step) for free, step in others[b:other])
        if (one, other) != ends:
            yield ones[one][0], others[other][0], ones[one][1]
        a, b = one + 1, other + 1


def _known(
    ones: Sequence[Step], others: Sequence[Step], pairs: Pairs
) -> Iterator[tuple[Element, Element, str]]:
    """Of what is the same on both sides that which may say something else all the same."""
    for (one, step), (other, _its) in zip(ones, others):
        if pairs.of(one) is other:
            yield one, other, step


def _said(element: Element) -> tuple[Any, ...]:
    """All that an element says, to be compared; not how it is indented."""
    attributes = tuple(sorted(element.attrib.items()))
    return (element.tag, attributes, _text(element), tuple(_said(child) for child in element))


def _say_the_same(one: Element, other: Element) -> bool:
    """Whether all that is said of them is the same, found out without putting it together."""
    return (
        one.tag == other.tag
        and one.attrib == other.attrib
        and _text(one) == _text(other)
        and len(one) == len(other)
        and all(map(_say_the_same, one, other))
    )


# How well two children go together: those that are known to be one thing, that say the same, and
# that have one tag and much in common.
_KNOWN, _SAME, _TAG = 1_000_000, 1_000, 10


def _aligned(
    ones: Sequence[Element],
    others: Sequence[Element],
    pairs: Pairs,
    goes: Callable[[Element], bool],
) -> list[tuple[int, int]]:
    """The places of children that are the same, never against the order: the best of all ways."""
    first, second = [_said(e) for e in ones], [_said(e) for e in others]

    def score(a: int, b: int) -> int:
        if goes(ones[a]) and goes(others[b]):
            return 0  # it may have moved; to pair it would set apart what it went past
        if pairs.of(ones[a]) is others[b]:
            return _KNOWN
        if first[a] == second[b]:
            return _SAME
        if first[a][0] != second[b][0] or goes(ones[a]) != goes(others[b]):
            return 0
        return _TAG + len({*first[a][1], *first[a][3]} & {*second[b][1], *second[b][3]})

    best = [[0] * (len(others) + 1) for _one in range(len(ones) + 1)]
    for a in reversed(range(len(ones))):
        for b in reversed(range(len(others))):
            both = score(a, b)
            best[a][b] = max(best[a + 1][b], best[a][b + 1], both and both + best[a + 1][b + 1])
    return list(_traced(best, score))


def _traced(best: list[list[int]], score: Callable[[int, int], int]) -> Iterator[tuple[int, int]]:
    """The pairs that make up the best of all ways."""
    a = b = 0
    while a < len(best) - 1 and b < len(best[0]) - 1:
        both = score(a, b)
        if both and best[a][b] == both + best[a + 1][b + 1]:
            yield a, b
            a, b = a + 1, b + 1
        elif best[a][b] == best[a + 1][b]:
            a += 1
        else:
            b += 1

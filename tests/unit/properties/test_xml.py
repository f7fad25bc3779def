"""XML to the letter, edits of it by paths, and what differs between two trees."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.tree_diff import (
    WHOLE,
    Pairs,
    differences,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import Element
from support.documents import NAMES, domains, trees
from support.strategies import ONE_LINE

FLEET = "metadata/fleet:resource"


@given(domains())
def test_what_is_printed_is_written_again_to_the_letter(document: str) -> None:
    ET.fromstring(document)  # it is well-formed, namespaces too
    tree = xmltree.clone(xmltree.parse(document))
    assert xmltree.serialise(tree) == document
    assert xmltree.same(tree, xmltree.parse(document))


@given(domains())
def test_what_is_added_is_all_that_changes(document: str) -> None:
    tree = xmltree.parse(document)
    xmltree.put(tree, f"{FLEET}/@managed", "yes")
    added = '<fleet:resource xmlns:fleet="urn:kvm.fleet:1" managed="yes"/></metadata>'
    assert xmltree.serialise(tree) == document.replace("</metadata>", added, 1)
    xmltree.put(tree, f"{FLEET}/@managed", None)
    assert xmltree.serialise(tree) == document


PATHS = st.builds(
    "{}{}".format,
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.none().map(lambda _none: "") | NAMES.map("/@{}".format),
)


@given(trees(), PATHS, ONE_LINE.map(str.strip).filter(bool))
def test_what_is_put_is_got_and_can_be_taken(tree: Element, path: str, value: str) -> None:
    before = xmltree.clone(tree)
    xmltree.put(tree, path, value)
    assert xmltree.get(tree, path) == value
    assert xmltree.get(xmltree.parse(xmltree.serialise(tree)), path) == value
    if before.find(path.partition("/")[0]) is None:  # else what is left empty goes too
        xmltree.put(tree, path, None)
        assert xmltree.serialise(tree) == xmltree.serialise(before)


# ---- differences


def differing(before: Element, after: Element) -> list[str]:
    return list(differences(before, after, Pairs(), {}))


def said(element: Element) -> Any:
    """All that an element says: not how it is laid out."""
    text = element.text or ""
    below = [said(child) for child in element]
    return element.tag, element.attrib, text if text.strip() else "", below


@given(trees())
def test_nothing_differs_from_itself(tree: Element) -> None:
    assert differing(tree, tree) == differing(tree, xmltree.clone(tree)) == []


@given(trees(), trees())
def test_every_difference_is_found(before: Element, after: Element) -> None:
    before.tag = after.tag
    assert (differing(before, after) == []) == (said(before) == said(after))
    there, back = (differing(*pair) for pair in permutations((before, after)))
    assert bool(there) == bool(back)


@given(trees(), st.data())
def test_one_edit_is_one_difference(tree: Element, data: st.DataObject) -> None:
    after = xmltree.clone(tree)
    edited = data.draw(st.sampled_from(list(after.iter())))
    edited.set("new", "1")
    assert [path.rpartition("/")[2] for path in differing(tree, after)] == ["@new"]


@given(trees(), trees())
def test_what_is_accounted_for_is_no_difference(before: Element, after: Element) -> None:
    before.tag = after.tag
    accounted = {id(one): {WHOLE} for one in (*before, *after)}
    rest = [path for path in differences(before, after, Pairs(), accounted) if "/" in path]
    assert rest == []

"""Notes of a move in definitions."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.moving.notes import (
    ARRIVED,
    Note,
    element_of,
    note_of,
    noted,
    without_note,
)

NOTE = Note("kvm1", "kvm2", "live", autostart=True)
DOMAIN = "<domain><name>web</name><uuid>{}</uuid>{}</domain>"


def domain(metadata: str = "", uuid: str = "u-1") -> xmltree.Element:
    return xmltree.parse(DOMAIN.format(uuid, metadata))


def test_a_note_is_read_as_it_was_written() -> None:
    for note in (NOTE, NOTE._replace(progress=ARRIVED, autostart=False)):
        assert note_of(noted(domain(), note)) == note


def test_a_definition_is_left_alone_and_gets_back_to_what_it_was() -> None:
    for metadata in ("", '<metadata><x:a xmlns:x="urn:x"/></metadata>'):
        before = domain(metadata)
        after = noted(before, NOTE)
        assert note_of(before) is None
        assert xmltree.same(without_note(after), before)


def test_there_is_one_note() -> None:
    twice = noted(noted(domain(), NOTE), NOTE._replace(target="kvm3"))
    assert note_of(twice) == NOTE._replace(target="kvm3")
    assert xmltree.serialise(twice).count("fleet-move:move") == 1


def test_a_clone_has_no_note_though_its_metadata_do() -> None:
    clone = noted(domain(), NOTE)
    xmltree.put(clone, "uuid", "u-2")
    assert note_of(clone) is None
    assert note_of(None) is None


def test_libvirt_is_given_an_element_without_a_namespace() -> None:
    assert element_of(NOTE, "u-1") == (
        "<move uuid='u-1' from='kvm1' to='kvm2' mode='live' progress='coming' autostart='yes'/>"
    )

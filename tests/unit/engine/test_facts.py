"""Facts: asked once, noted by whoever needs them, and told apart from what nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import (
    ALL,
    Fact,
    Facts,
    NotRecorded,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.host import QUESTIONS
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.recorded import Recorded
from ansible_collections.kvm.fleet.plugins.module_utils.engine.unknown import said
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.host import live
from ansible_collections.kvm.fleet.plugins.module_utils.run import reading


class Asked:
    """A reader that says what it is asked."""

    def __init__(self, answers: dict[Fact, Any], there: Sequence[str] = ()) -> None:
        self.answers = answers
        self.there = there
        self.asked: list[Any] = []

    def read(self, fact: Fact) -> Any:
        self.asked.append(fact)
        if fact not in self.answers:
            raise NotRecorded(fact)
        return self.answers[fact]

    def resources(self, kind: str, names: Sequence[str] | None) -> dict[str, Have]:
        self.asked.append((kind, names))
        tree = parse("<domain/>")
        wanted = self.there if names is None else names
        return {
            name: Have(kind, name, tree if name in self.there else None)  # as readers do
            for name in wanted
        }


def test_a_question_is_asked_once_whatever_the_answer_is() -> None:
    reader = Asked({("file", "/gone"): None, ("uri",): "qemu:///system"})
    facts = Facts(reader)
    for _each in range(2):
        assert facts.ask("file", "/gone") is None
        assert facts.ask("uri") == "qemu:///system"
        assert facts.ask("arch", unknown="x86_64") == "x86_64"
    assert reader.asked == [("file", "/gone"), ("uri",), ("arch",)]
    assert list(facts.missing) == [("arch",)]
    assert facts.answers() == {("file", "/gone"): None, ("uri",): "qemu:///system"}


def test_resources_are_read_in_batches_and_each_once() -> None:
    reader = Asked({}, ["b", "a"])
    facts = Facts(reader)
    first = facts.resources("vm", ["a", "c"])
    assert {name: have.exists for name, have in first.items()} == {"a": True, "c": False}
    assert set(facts.resources("vm", ["a", "b", "c"])) == {"a", "b", "c"}
    everything = facts.everything("vm")
    assert list(everything) == ["a", "b"], "in the order of names"
    assert everything["a"] is first["a"], "what was read before stays as it was"
    facts.everything("vm")
    assert reader.asked == [("vm", ["a", "c"]), ("vm", ["b"]), ("vm", None)]
    assert facts.answers()[(ALL, "vm")] == ["a", "b"]


def test_asking_anew_begins_with_nothing() -> None:
    reader = Asked({("uri",): "one"})
    facts = Facts(reader)
    facts.ask("uri")
    facts.anew().ask("uri")
    assert reader.asked == [("uri",), ("uri",)]


def test_a_scope_knows_what_is_asked_meanwhile_though_it_was_asked_before() -> None:
    facts = Facts(Asked({("uri",): "", ("arch",): "", ("version",): 1}))
    facts.ask("uri")
    with facts.scope() as outer:
        facts.ask("uri")
        with facts.scope() as inner:
            facts.ask("arch")
            facts.resources("vm", ["a"])
    facts.ask("version")
    assert inner == {("arch",), ("vm", "a")}
    assert outer == inner | {("uri",)}


def test_what_is_made_of_facts_is_made_once_and_needs_them_each_time() -> None:
    facts = Facts(Asked({("uri",): "there"}))
    made = []

    def make() -> str:
        made.append(True)
        return str(facts.ask("uri"))

    for _each in range(2):
        with facts.scope() as asked:
            assert facts.made("key", make) == "there"
        assert asked == {("uri",)}
    assert made == [True]


def test_a_recording_answers_what_was_asked_and_of_lists_what_is_in_none() -> None:
    web = Have("vm", "web", parse("<domain/>"))
    recorded = Recorded({("uri",): "u", (ALL, "vm"): ["web"], ("vm", "web"): web})
    assert recorded.read(("uri",)) == "u"
    assert recorded.resources("vm", None) == {"web": web}
    assert recorded.resources("vm", ["web", "db"]) == {"web": web, "db": Have("vm", "db")}
    with pytest.raises(NotRecorded):
        recorded.read(("arch",))
    with pytest.raises(NotRecorded):
        recorded.resources("vswitch", ["lan"])


def test_what_no_recording_tells_of_resources_is_missing_and_taken_for_not_there() -> None:
    facts = Facts(Recorded({}))
    assert not facts.resources("vm", ["web"])["web"].exists
    assert facts.everything("vswitch") == {}
    assert set(facts.missing) == {("vm", "web"), (ALL, "vswitch")}
    assert facts.answers() == {}


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (("refusal", "<domain/>"), "libvirt has not judged the plan"),
        (("parsed", "<domain/>"), "libvirt's parser has not judged extra_xml"),
        (("parser_refusal", "vswitch", "<network/>"), "libvirt's parser has not judged the plan"),
        (("checksum", "/a.img", "sha256"), "the checksum of /a.img"),
        (("image", "/a.img"), "does not know /a.img"),
        (("folder", "/srv"), "does not know /srv"),
        (("cpu_models", "riscv64"), "does not tell cpu_models riscv64"),
    ],
)
def test_what_is_missing_is_said_in_words_and_once(fact: Fact, words: str) -> None:
    [sentence] = said([fact, fact])
    assert words in sentence
    assert "<" not in sentence, "a definition is no name"


def test_every_question_has_somebody_who_answers_it() -> None:
    answered = {*live.ANSWERS, *(asked for one in reading.READS for asked in one.answers)}
    assert answered == set(QUESTIONS)


def test_what_nobody_answers_here_is_missing_and_no_fault() -> None:
    """Who expects a plan may name any question, also one that no plan of this module asks."""
    facts = live.facts_of(SimpleNamespace(), ())  # type: ignore[arg-type]
    assert facts.ask("capacity") is None
    assert not facts.resource("vm", "web").exists
    assert set(facts.missing) == {("capacity",), ("vm", "web")}

"""Texts: those that libvirt gives back otherwise are made what it gives back, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import codecs
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.texts import Prose, as_kept
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import Kind
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool import (
    kind as storage_pool,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_volume import (
    kind as storage_volume,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import kind as vm
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vswitch import kind as vswitch


def test_of_an_element_the_lines_are_kept_but_not_what_is_around_them() -> None:
    assert as_kept(" \n one\r\n\ttwo \r\n\n", in_attribute=False) == "one\n\ttwo"
    assert as_kept(" \n", in_attribute=False) == ""


def test_an_attribute_is_kept_with_its_spaces_on_one_line() -> None:
    assert as_kept(" a  b ", in_attribute=True) == " a  b "
    for text in ("a\n", "a\tb", "\ra"):
        with pytest.raises(ValueError, match="line end or a tab"):
            as_kept(text, in_attribute=True)


@pytest.mark.parametrize("text", ["\0", "a\x01b", "\x1b[1m", "\ud800", "\uffff"])
@pytest.mark.parametrize("in_attribute", [True, False])
def test_what_xml_has_no_place_for_is_refused(text: str, in_attribute: bool) -> None:
    with pytest.raises(ValueError, match="which XML cannot"):
        as_kept(text, in_attribute)


def test_white_space_around_prose_is_kept_and_says_nothing() -> None:
    text = codecs.prose().parse("\n  of\n  two lines\n")
    assert str(text) == "\n  of\n  two lines\n"
    assert text == "of\n  two lines"
    assert text != "of two lines" and hash(text) == hash("of\n  two lines")
    assert codecs.prose().encode(text) == "\n  of\n  two lines\n"


def test_a_title_is_one_line_with_its_spaces() -> None:
    codec = codecs.prose(".+", "a title")
    assert str(codec.parse(" a b \n")) == " a b "
    with pytest.raises(ValueError, match="is not a title"):
        codec.parse("a\nb")
    assert codec.encode(Prose("")) is None


VM = {"name": "web", "memory": {"size": "1GiB"}}
DISK = {"name": "root", "format": "raw"}
NIC = {"name": "lan"}
REFUSED: list[tuple[Kind, dict[str, Any]]] = [
    (vm.KIND, {**VM, "title": "two\nlines"}),
    (vm.KIND, {**VM, "name": "web\x01"}),
    (vm.KIND, {**VM, "machine": "q35\n"}),
    (vm.KIND, {**VM, "disks": [{**DISK, "file": "/a\n"}]}),
    (vm.KIND, {**VM, "disks": [{**DISK, "device": "/dev/a\n"}]}),
    (vm.KIND, {**VM, "disks": [{**DISK, "pool": "a\n", "volume": "b"}]}),
    (vm.KIND, {**VM, "disks": [{**DISK, "name": "a\n", "file": "/a"}]}),
    (vm.KIND, {**VM, "cdroms": [{"name": "cd", "file": "/a\tb"}]}),
    (vm.KIND, {**VM, "nics": [{**NIC, "vswitch": "lan\n"}]}),
    (vm.KIND, {**VM, "nics": [{**NIC, "bridge": "br0\n"}]}),
    (vm.KIND, {**VM, "nics": [{**NIC, "vswitch": "lan", "port_group": "a\n"}]}),
    (vm.KIND, {**VM, "channels": [{"name": "a\n"}]}),
    (vm.KIND, {**VM, "channels": [{"name": "a", "path": "/a\n"}]}),
    (vm.KIND, {**VM, "serial": {"type": "file", "path": "/a\n"}}),
    (vm.KIND, {**VM, "graphics": {"type": "vnc", "listen": "::1\n"}}),
    (vm.KIND, {**VM, "description": "a\x0cb"}),
    (vswitch.KIND, {"name": "lan\n", "type": "isolated"}),
    (vswitch.KIND, {"name": "lan", "domain": "a.example\n"}),
    (vswitch.KIND, {"name": "lan", "bridge": "br0\n"}),
    (vswitch.KIND, {"name": "lan", "port_groups": [{"name": "a\n"}]}),
    (storage_pool.KIND, {"name": "a\n", "type": "dir", "path": "/a"}),
    (storage_pool.KIND, {"name": "a", "type": "dir", "path": "/a\x07"}),
    (storage_volume.KIND, {"name": "a\n", "pool": "a", "capacity": "1MiB"}),
]


@pytest.mark.parametrize(("kind", "declared"), REFUSED)
def test_a_declaration_that_cannot_be_kept_is_refused(kind: Kind, declared: dict[str, Any]) -> None:
    checked = ArgumentSpecValidator(kind.spec()).validate(declared)
    assert not checked.error_messages
    with pytest.raises(FleetErrors):
        kind.parse(checked.validated_parameters)


def test_tags_are_texts_and_those_of_no_value_are_left_out() -> None:
    given = {"b": None, "a": True, 1: 2}
    assert codecs.mapping().parse(given) == {"1": "2", "a": "True"}

"""extra_xml with passwords: compared, given to libvirt, and in no record of it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import sensitive, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.hidden import (
    TOKEN,
    Sensitive,
    revealed,
    same_secret,
    shown,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import extra, tree
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.table import EXTRA_RECORD

DOMAIN = """
<domain type='qemu'>
  <name>web</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>65536</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <disk type='network' device='disk'>
      <source protocol='https' name='a'><host name='h'/>
        <cookies><cookie name='c'>theirs</cookie></cookies></source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <graphics type='vnc' port='-1' autoport='yes'{theirs}/>
  </devices>
  <qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
    <qemu:arg value='-object'/><qemu:arg value='secret,id=theirs,data=theirs'/>
  </qemu:commandline>
</domain>
"""
QEMU = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
SCREEN = "<devices><graphics type='vnc' passwd='{}'/></devices>"
OBJECT = (
    f"<qemu:commandline {QEMU}><qemu:arg value='-object'/>"
    "<qemu:arg value='secret,id=ours,data={}'/></qemu:commandline>"
)
DISK = (
    "<devices><disk type='network' device='cdrom'><source protocol='https' name='b'>"
    "<host name='h'/><cookies><cookie name='c'>{}</cookie></cookies></source>"
    "<target dev='sda' bus='sata'/></disk></devices>"
)
METADATA = "<metadata><x:y xmlns:x='urn:x'><x:root_password>{}</x:root_password></x:y></metadata>"
KINDS = {"screen": SCREEN, "object": OBJECT, "disk": DISK, "metadata": METADATA}
KEY = ("extra_xml",)


def domain(theirs: str = "", uuid: str = "6f1d6b55-6e7c-5b0e-9f3a-3f0f6a5a2c11") -> Any:
    return xmltree.parse(DOMAIN.format(uuid=uuid, theirs=theirs))


def put(before: Any, text: str, closed: bool = True) -> Any:
    after = tree.edited(before, {KEY: extra.canonical(text)})
    if closed and text:
        assert extra.close(after, after, True) == []
    return after


def record(of: Any) -> str:
    return xmltree.serialise(xmltree.find(of, "metadata/fleet:resource"))


def in_clear(of: Any) -> int:
    return xmltree.serialise(of).count("CANARY")


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_it_converges_without_being_noted(kind: str, closed: bool) -> None:
    before, text = domain(), KINDS[kind].format("CANARY")
    after = put(before, text, closed)
    assert in_clear(after) == 1 and "CANARY" not in record(after)
    assert "theirs" not in record(after).replace("id=theirs", "")
    found = tree.domain_values(after)[KEY]
    assert found == extra.canonical(text)
    assert revealed(found) == revealed(extra.canonical(text))
    assert xmltree.same(put(after, ""), before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_it_is_one_and_says_so(kind: str) -> None:
    after = put(domain(), KINDS[kind].format("CANARY"))
    found, want = tree.domain_values(after)[KEY], extra.canonical(KINDS[kind].format("CANARY-2"))
    assert found != want and str(found) == str(want)
    assert "(hidden)" in shown(found) and "(hidden, another)" in shown(want, found)
    again = put(after, KINDS[kind].format("CANARY-2"))
    assert xmltree.serialise(again).count("CANARY-2") == in_clear(again) == 1
    assert xmltree.same(put(again, ""), domain())


def test_a_password_that_others_set_since_is_theirs() -> None:
    after = put(domain(), SCREEN.format("CANARY"))
    xmltree.put(after, "devices/graphics/@passwd", "theirs")
    assert tree.domain_values(after)[KEY] == ""
    assert xmltree.get(put(after, ""), "devices/graphics/@passwd") == "theirs"
    again = put(after, SCREEN.format("CANARY"))
    assert xmltree.get(again, "devices/graphics/@passwd") == "CANARY"


def test_a_password_before_it_is_not_kept_and_none_is_not_put_there() -> None:
    before = domain(" passwd='before'")
    after = put(before, SCREEN.format("CANARY"))
    assert "before" not in record(after).replace("fleet:before", "")
    left = put(after, "")
    assert xmltree.get(left, "devices/graphics/@passwd") == "CANARY"
    assert extra.not_given_back(after, left) == ["devices/graphics/@passwd"]
    assert extra.not_given_back(after, put(after, SCREEN.format("CANARY-2"))) == []
    without = put(domain(), SCREEN.format("CANARY"))
    assert extra.not_given_back(without, put(without, "")) == []


def test_no_password_where_one_was_is_one_that_goes() -> None:
    text = SCREEN.format("CANARY") + "<devices><sound model='ich9'/></devices>"
    after = put(domain(), text)
    less = put(after, "<devices><sound model='ich9'/></devices>")
    assert in_clear(less) == 0 and less.find("devices/sound") is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_in_clear_is_understood_and_sealed_at_the_next_change(kind: str) -> None:
    text = KINDS[kind].format("CANARY")
    old = put(domain(" passwd='before'" if kind == "object" else ""), text)
    secrets = {s for s in sensitive.secrets_in(old) if not TOKEN.fullmatch(s)}
    sensitive.swap_secrets(
        xmltree.ensure(old, EXTRA_RECORD),
        lambda token: next(s for s in secrets if same_secret(s, token)),
    )
    assert "CANARY" in record(old)
    assert tree.domain_values(old)[KEY] == extra.canonical(text)
    assert "CANARY" not in record(tree.edited(old, {("title",): "x"}))
    assert "CANARY" in record(tree.edited(old, {}))  # who changes nothing edits nothing
    assert in_clear(put(old, "")) == 0


def test_a_clone_has_a_record_that_still_holds() -> None:
    text = SCREEN.format("CANARY")
    clone = put(domain(), text)
    xmltree.put(clone, "uuid", "0d9d3c36-0c4e-4f5c-8f6c-0d5d7c0f2f11")
    assert tree.domain_values(clone)[KEY] == extra.canonical(text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot_knows_whether_it_is_another(kind: str) -> None:
    text = KINDS[kind].format("CANARY")
    masked = sensitive.masked(put(domain(), text))
    assert in_clear(masked) == 0
    found = tree.domain_values(masked)[KEY]
    assert found == extra.canonical(text)
    assert found != extra.canonical(KINDS[kind].format("CANARY-2"))
    assert xmltree.same(sensitive.masked(masked), masked)


@pytest.mark.parametrize("shown_text", ["(hidden)", "(hidden, another)"])
def test_what_is_shown_is_not_taken_for_the_password(shown_text: str) -> None:
    with pytest.raises(ValueError, match="instead of a password"):
        extra.canonical(SCREEN.format(shown_text))


def test_what_has_no_secret_is_a_plain_text() -> None:
    text = extra.canonical("<devices><graphics type='vnc' sharePolicy='ignore'/></devices>")
    assert not isinstance(text, Sensitive) and "ignore" in text

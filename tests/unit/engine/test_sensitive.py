"""Secrets of definitions are found wherever they are, and masked without being lost sight of."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import hidden, sensitive, xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.hidden import (
    GAP,
    TOKEN,
    Sensitive,
    revealed,
    shown,
)

QEMU = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"


def arg(value: str) -> str:
    return (
        f"<domain><qemu:commandline {QEMU}><qemu:arg value='{value}'/></qemu:commandline></domain>"
    )


def of_others(text: str) -> str:
    return f"<domain><metadata><x:y xmlns:x='urn:x'>{text}</x:y></metadata></domain>"


def qemu_property(name: str, value: str) -> str:
    return (
        f"<domain><qemu:override {QEMU}><qemu:device alias='a'><qemu:frontend><qemu:property "
        f"name='{name}' type='string' value='{value}'/></qemu:frontend></qemu:device>"
        "</qemu:override></domain>"
    )


def environment(name: str, value: str) -> str:
    return (
        f"<domain><qemu:commandline {QEMU}><qemu:env name='{name}' value='{value}'/>"
        "</qemu:commandline></domain>"
    )


def kernel(arguments: str) -> str:
    return f"<domain><os><cmdline>{arguments}</cmdline></os></domain>"


def backing(name: str) -> str:
    return f"<volume><backingStore><path>{name}</path></backingStore></volume>"


SECRETS = {
    "<domain><devices><graphics type='vnc' passwd='CANARY'/></devices></domain>": "CANARY",
    "<domain><devices><disk><source><cookies><cookie name='a'>CANARY</cookie></cookies></source>"
    "</disk></devices></domain>": "CANARY",
    "<domain><devices><disk><source protocol='https' query='a=b&amp;sig=CANARY'/></disk></devices>"
    "</domain>": "CANARY",
    "<domain><sysinfo type='smbios'><oemStrings><entry>io.systemd.credential:passwd.x.root=CANARY"
    "</entry></oemStrings></sysinfo></domain>": "CANARY",
    arg("secret,id=s0,data=CANARY"): "CANARY",
    arg("secret,id=s0,data=CAN,,ARY,format=raw"): "CAN,,ARY",
    arg('{"qom-type":"secret","id":"s0","data":"CANARY, too"}'): "CANARY, too",
    arg("port=5900,password=CANARY it is"): "CANARY it is",
    arg("file=https://me:CANARY@host/x"): "CANARY",
    arg("file=rbd:pool/x:id=admin:key=CANARY=="): "CANARY==",
    arg("type=11,value=io.systemd.credential.binary:a=CANARY"): "CANARY",
    f"<domain><qemu:commandline {QEMU}><qemu:env name='MY_TOKEN' value='CANARY'/>"
    "</qemu:commandline></domain>": "CANARY",
    of_others("<x:root_password>CANARY</x:root_password>"): "CANARY",
    of_others("<x:user Password='CANARY'/>"): "CANARY",
    of_others("<![CDATA[{'password': 'CANARY'}]]>"): "{'password': 'CANARY'}",
    of_others("password: CANARY\nname: x"): "password: CANARY\nname: x",
    of_others("#cloud-config\nruncmd: [CANARY]"): "#cloud-config\nruncmd: [CANARY]",
    of_others("chpasswd: {list: 'root:CANARY'}"): "chpasswd: {list: 'root:CANARY'}",
    of_others("see http://me:CANARY@host/x"): "see http://me:CANARY@host/x",
    of_others("<x:token>CANARY</x:token>"): "CANARY",
    of_others("<x:auth api_key='CANARY'/>"): "CANARY",
    of_others("<x:a pass='CANARY'/>"): "CANARY",
    of_others("<x:a accessKey='CANARY'/>"): "CANARY",
    of_others("<x:rootpw value='CANARY'/>"): "CANARY",
    of_others("<x:p name='adminPass'>CANARY</x:p>"): "CANARY",
    of_others("<x:p key='secret' value='CANARY'/>"): "CANARY",
    of_others("<x:credentials><x:a>CANARY</x:a></x:credentials>"): "CANARY",
    of_others("<x:user-data>CANARY</x:user-data>"): "CANARY",
    of_others("<x:a>a<x:b/>pass=CANARY</x:a>"): "pass=CANARY",
    of_others("<x:a>a<!--pw: CANARY--></x:a>"): "pw: CANARY",
    "<network><metadata><x:y xmlns:x='urn:x'><x:token>CANARY</x:token></x:y></metadata>"
    "</network>": "CANARY",
    environment("API_KEY", "CANARY"): "CANARY",
    environment("MYPASS", "CANARY"): "CANARY",
    environment("https_proxy", "http://me:CANARY@host"): "CANARY",
    arg("file=iscsi://me%CANARY@h/iqn/0"): "CANARY",
    arg("file=iscsi://me%25CANARY@h/iqn/0"): "CANARY",
    arg("file=https://me:CAN@ARY@host/x"): "CAN@ARY",
    arg("file=https://host/x?X-Amz-Signature=CANARY"): "CANARY",
    arg("name=opt/io.systemd.credentials/a,string=CANARY"): "CANARY",
    arg("opt/a,string=CANARY"): "CANARY",
    arg('{"driver":"https","api_key":"CANARY","passwd":{"a":["b"]}}'): "CANARY",
    "<domain><sysinfo type='fwcfg'><entry name='opt/io.systemd.credentials/a'>CANARY</entry>"
    "</sysinfo></domain>": "CANARY",
    "<domain><sysinfo type='fwcfg'><entry name='opt/com.coreos/config'>"
    '{"passwd":{"a":"CANARY"}}</entry></sysinfo></domain>': '{"passwd":{"a":"CANARY"}}',
    "<domain><devices><disk><source protocol='https' query='X-Amz-Signature=CANARY'/></disk>"
    "</devices></domain>": "CANARY",
    qemu_property("x-password", "CANARY, it is"): "CANARY, it is",
    qemu_property("filename", "https://me:CANARY@host/x"): "CANARY",
    kernel("quiet inst.vncpassword=CANARY ro"): "CANARY",
    kernel("luks.passphrase=&quot;CANARY it is&quot; ro"): "CANARY it is",
    kernel("&quot;token=CANARY it is&quot; ro"): "CANARY it is",
    kernel("inst.ks=https://me:CANARY@host/ks.cfg ro"): "CANARY",
    kernel("netroot=iscsi:me:CANARY@192.0.2.1::::iqn.a"): "me:CANARY",
    kernel("auto passwd/root-password-crypted=CANARY"): "CANARY",
    kernel("systemd.set_credential=a:CANARY"): "a:CANARY",
    backing("https://me:CANARY@host/x"): "CANARY",
    backing("rbd:pool/x:id=a:key=CANARY==:conf=x"): "CANARY==:conf=x",
    backing('json:{"file":{"driver":"https","password":"CANARY"}}'): "CANARY",
    "<pool><fs:mount_opts xmlns:fs='urn:fs'><fs:option name='password=CANARY'/></fs:mount_opts>"
    "</pool>": "CANARY",
}
NONE = [
    "<domain><devices><graphics passwdValidTo='2030-01-01T00:00:00'/></devices></domain>",
    "<domain><description>password=x</description></domain>",  # an option is for it
    "<pool><source><auth type='ceph' username='me'><secret usage='x'/></auth></source></pool>",
    arg(":1,password=on"),
    arg("secret,id=s0,file=/etc/key"),
    arg("file=x,key-secret=s0,password-secret=s1"),
    arg("isa-debugcon,data=1"),
    arg("isa-debugcon,string=1"),
    arg('{"passwd":{"users":[{"name":"core"}]}}'),
    of_others("<x:root_password/>"),
    of_others("<x:disk name='root' key='role' type='a'>a text</x:disk><!-- one --> more"),
    of_others("<x:author uuid='1'>A. Monkey</x:author><x:os id='http://fedora.org/1'/>"),
    environment("DISPLAY", ":0"),
    qemu_property("password-secret", "s0"),
    qemu_property("x-passthrough", "on"),
    environment("KEYBOARD", "de"),
    kernel("root=UUID=a console=ttyS0,115200 iommu.passthrough=1 disable_bypass=0 keymap=de --"),
    kernel("rd.luks.key=/a/key:UUID=1 &quot;quoted value&quot; token= inst.repo=http://host/x"),
    "<domain><sysinfo type='smbios'><system><entry name='serial'>a b</entry></system></sysinfo>"
    "</domain>",
    backing("/a/token=1.qcow2"),
    backing("file:/a/token=1.qcow2"),
    backing('json:{"driver":"file","filename":"/a/key=1.qcow2"}'),
    backing("nbd:host:10809:exportname=a"),
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_found_and_masked(text: str) -> None:
    tree = xmltree.parse(text)
    before = xmltree.serialise(tree)
    assert sensitive.secrets_in(tree) == [SECRETS[text]]
    masked = xmltree.serialise(sensitive.masked(tree))
    assert "CAN" not in masked and TOKEN.search(masked)
    assert xmltree.serialise(tree) == before
    again = sensitive.masked(xmltree.parse(masked))
    assert xmltree.serialise(again) == masked
    assert len(sensitive.secrets_in(again)) == 1


def test_a_comment_that_may_have_a_secret_in_it_is_hidden() -> None:
    text = "<devices><!-- its password is CANARY --><panic/><!-- why --></devices>"
    shown = sensitive.swap_in_fragments(text, lambda _secret: "(hidden)")
    assert shown == "<devices><!--(hidden)--><panic/><!-- why --></devices>"


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    tree = xmltree.parse(text)
    assert sensitive.secrets_in(tree) == []
    assert xmltree.same(sensitive.masked(tree), tree)


def test_definitions_of_others_lose_nothing_but_their_secrets() -> None:
    folder = Path(__file__).parents[2] / "corpus"
    for path in sorted(folder.glob("*/*.xml")):
        tree = xmltree.parse(path.read_text())
        masked, secrets = sensitive.masked(tree), sensitive.secrets_in(tree)[::-1]
        assert sensitive.may_be_in(tree) or not secrets, path
        sensitive.swap_secrets(masked, _given_back(secrets))
        assert xmltree.same(masked, tree) and not secrets, path


def _given_back(secrets: list[str]) -> Callable[[str], str]:
    return lambda _token: secrets.pop()


def test_masks_can_be_compared_and_say_nothing_across_resources() -> None:
    one, other = (
        xmltree.parse(
            f"<domain><uuid>{n}</uuid><graphics passwd='a'/><graphics passwd='{p}'/></domain>"
        )
        for n, p in (("1", "a"), ("2", "b"))
    )
    assert len(set(sensitive.secrets_in(sensitive.masked(one)))) == 1
    assert len(set(sensitive.secrets_in(sensitive.masked(other)))) == 2
    assert not set(sensitive.secrets_in(sensitive.masked(one))) & set(
        sensitive.secrets_in(sensitive.masked(other))
    )
    again = sensitive.masked(sensitive.masked(one))
    assert xmltree.same(again, sensitive.masked(one))


def test_the_record_of_extra_xml_is_masked_as_the_rest_is() -> None:
    text = "<devices><graphics passwd='a&amp;b'/></devices>"
    tree = xmltree.parse(
        "<domain><uuid>1</uuid><metadata><fleet:resource xmlns:fleet='urn:kvm.fleet:1'>"
        "<fleet:extra_xml/></fleet:resource></metadata>"
        "<devices><graphics passwd='a&amp;b'/></devices></domain>"
    )
    xmltree.put(tree, "metadata/fleet:resource/fleet:extra_xml", text)
    masked = sensitive.masked(tree)
    [token] = {match[0] for match in TOKEN.finditer(xmltree.serialise(masked))}
    assert xmltree.get(masked, "devices/graphics/@passwd") == token
    assert "a&" not in xmltree.serialise(masked)


# ---- values


def test_no_way_of_showing_a_value_reveals_it() -> None:
    value = Sensitive("CANARY")
    shows = [str(value), repr(value), f"{value}", f"{value!r:>9}", value + "!"]
    shows += [json.dumps({"a": [value]}), value.upper(), "".join(value), value.encode().decode()]
    shows += [str(pickle.loads(pickle.dumps(value))), repr(pickle.dumps(value))]
    assert not any("CANARY" in text.upper() for text in shows)
    assert revealed(value) == revealed(copy.deepcopy({"a": value})["a"]) == "CANARY"
    assert revealed("plain") == "plain" and revealed(None) is None


def test_values_are_compared_by_what_they_hold() -> None:
    assert Sensitive("a") == Sensitive("a") and Sensitive("a") != Sensitive("b")
    assert Sensitive("a") not in ("a", "", None, 0, str(Sensitive("a")))
    assert {Sensitive("a"): 1}[Sensitive("a")] == 1
    salt = hidden.new_salt("x")
    assert Sensitive(hidden.token_of("a", salt)) == Sensitive("a")
    assert Sensitive(hidden.token_of("a", salt)) != Sensitive("b")


def test_a_change_is_shown_as_one() -> None:
    text = f"<a b='{GAP}'/><c d='{GAP}'/>"
    one, other = Sensitive("x", text, ("1", "2")), Sensitive("y", text, ("1", "3"))
    assert str(one) == str(other) == "<a b='(hidden)'/><c d='(hidden)'/>"
    assert shown(other, one) == "<a b='(hidden)'/><c d='(hidden, another)'/>"
    assert shown({"a": {"b": other}, "c": 1}, {"a": {"b": one}}) == {
        "a": {"b": "<a b='(hidden)'/><c d='(hidden, another)'/>"},
        "c": 1,
    }
    assert shown(one, "") == str(one) and not isinstance(shown(one, ""), Sensitive)
    assert shown(Sensitive("a"), Sensitive("b")) == "(hidden, another)"


def test_what_others_say_is_told_without_secrets() -> None:
    assert hidden.without("it is CANARY-2, not CANARY", ["CANARY", "CANARY-2"]) == (
        "it is (hidden), not (hidden)"
    )


@pytest.mark.parametrize("text", ["<a passwd='CANARY'>", "<a/>CANARY", "{'passwd': 'CANARY'}"])
def test_what_is_no_xml_is_hidden_whole(text: str) -> None:
    assert sensitive.swap_in_fragments(text, lambda secret: secret.replace(text, "")) == ""


def test_texts_with_a_domain_in_them_are_masked_and_no_others() -> None:
    for root in ("domain", "domainsnapshot", "domainbackup"):
        text = f"<?xml version='1.0'?>\n<{root}><a><graphics passwd='CANARY'/></a></{root}>"
        assert "CANARY" not in sensitive.masked_text(text)
    for text in ("<domainCapabilities passwd='a'/>", "<domain ", "passwd='a'", "<domain  a='1'/>"):
        assert sensitive.masked_text(text) == text


@pytest.mark.parametrize("text", SECRETS)
def test_where_secrets_are_they_may_be(text: str) -> None:
    assert sensitive.may_be_in(xmltree.parse(text))


def test_secrets_are_not_looked_for_in_what_is_usual() -> None:
    text = "<domain><name>web</name><metadata/><devices><disk type='file'/></devices></domain>"
    assert not sensitive.may_be_in(xmltree.parse(text))

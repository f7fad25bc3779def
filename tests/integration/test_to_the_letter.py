"""What others keep in a definition, in the text that libvirt prints before and after an edit."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

METADATA = """
<a:tool xmlns:a="urn:a" a:note="it's &quot;é&quot;&#10;"><!-- keep --><?job run it?><b/>
  <![CDATA[ <raw> & ]]> mixed <c> </c></a:tool>
<plain xmlns="urn:plain"><!--x--><in xmlns="urn:in">&lt;&amp;</in></plain>
<ns0:x xmlns:ns0="urn:ns0" xmlns:unused="urn:unused"><up:y/></ns0:x>
"""
DOMAIN = """
<domain type='qemu' xmlns:up='urn:up' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <title> "Web" &amp; 'more' é</title>
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>16</memory>
  <os><type>hvm</type></os>
  <q:commandline><q:arg value='-no-user-config'/></q:commandline>
</domain>
"""
NETWORK = """
<network xmlns:up='urn:up' xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>{name}</name>
  <metadata>{metadata}</metadata>
  <forward mode='nat'/>
  <ip address='198.51.100.1' prefix='24'/>
  <d:options><d:option value='no-negcache'/></d:options>
</network>
"""


class Texts:
    """Definitions as virsh prints them."""

    def __init__(self, libvirtd: PrivateLibvirtd, modules: ModuleServer, name: str) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.name = name

    def define(self, template: str, command: str = "define") -> None:
        text = template.format(name=self.name, metadata=METADATA)
        self.libvirtd.run(["virsh", command, "/dev/stdin"], stdin=text)

    def set(self, module: str, **options: Any) -> None:
        done = self.modules.run(module, {"name": self.name, **options})
        assert not done.get("failed"), done["msg"]

    def stored(self) -> list[str]:
        return self.libvirtd.virsh("dumpxml", self.name, "--inactive").splitlines()

    def running(self) -> list[str]:
        return self.libvirtd.virsh("dumpxml", self.name).splitlines()

    def network(self) -> list[str]:
        return self.libvirtd.virsh("net-dumpxml", self.name, "--inactive").splitlines()


@pytest.fixture
def texts(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str) -> Iterator[Texts]:
    yield Texts(libvirtd, modules, f"{prefix}it")


def lines_of(before: list[str], after: list[str]) -> list[str]:
    """The lines that differ, each with + or -."""
    return [line for line in difflib.ndiff(before, after) if line[0] in "+-"]


def test_a_vm_is_otherwise_the_same(texts: Texts) -> None:
    texts.define(DOMAIN)
    before = texts.stored()
    texts.set("vm", description="Shop")
    assert lines_of(before, texts.stored()) == ["+   <description>Shop</description>"]
    texts.set("vm", tags={"team": "a"})
    texts.set("vm", tags={}, description="")
    assert lines_of(before, texts.stored()) == []


def test_a_vm_that_runs_is_otherwise_the_same(texts: Texts) -> None:
    texts.define(DOMAIN)
    before = texts.stored()
    texts.libvirtd.virsh("start", texts.name)
    running = texts.running()
    texts.set("vm", tags={"team": "a"}, protected=True)
    tag = '+       <fleet:tags>{"team": "a"}</fleet:tags>'
    assert tag in lines_of(running, texts.running())
    assert tag in lines_of(before, texts.stored())
    texts.set("vm", tags={}, protected=False)
    assert lines_of(running, texts.running()) == []
    assert lines_of(before, texts.stored()) == []


TEXTS = {
    "title": " A title \n",
    "description": "\n  Two\n   lines, \t é & <more> 'quoted' \"text\"\r\n with a \u2028.  \n\n",
    "boot": {"cmdline": "console=ttyS0\tquiet\n  root=/dev/vda \n", "kernel": "/dev/null\n"},
    "tags": {"a\nb ": " c\r\n\x07<&>\u2028\n"},
    "cpu": {"mode": "custom", "model": " core2duo\n"},
    "disks": [{"name": "root", "file": "/dev/null", "format": "raw", "serial": " S 1 \n"}],
}


@pytest.mark.parametrize("option", TEXTS)
def test_a_text_with_white_space_converges(texts: Texts, option: str) -> None:
    texts.define(DOMAIN)
    asked = {"name": texts.name, option: TEXTS[option]}
    predicted = texts.modules.run("vm", asked, check=True)
    done = texts.modules.run("vm", asked)
    assert not done.get("failed"), done["msg"]
    assert predicted["plan"] == done["plan"] and done["changed"]
    again = texts.modules.run("vm", asked)
    assert (again["changed"], again["plan"]) == (False, [])


def test_a_vswitch_is_otherwise_the_same(texts: Texts) -> None:
    texts.define(NETWORK, "net-define")
    before = texts.network()
    texts.set("vswitch", state="present", domain="shop.example")
    assert lines_of(before, texts.network()) == ["+   <domain name='shop.example'/>"]
    texts.set("vswitch", state="present", domain="")
    assert lines_of(before, texts.network()) == []

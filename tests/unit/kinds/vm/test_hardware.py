"""What a VM cannot be, by its definition and by its host, beside what libvirt says of it."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.cpu_lists import cpus_in, listed
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.host.connection import Host
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import abilities, hardware, memory

IGB = """<domain type="qemu"><devices><interface type="network"><mac address="52:54:00:00:00:01"/>
    <model type="igb"/></interface></devices></domain>"""


class Qemu(Host):
    """A host of which no more than the version of its QEMU is asked."""

    driver = "QEMU"

    def __init__(self, version: int) -> None:
        super().__init__(None, "qemu:///system")
        self.version = version


@pytest.mark.parametrize("version, refused", [(7_002_000, True), (8_000_000, False)])
def test_a_nic_that_only_a_newer_qemu_has(version: int, refused: bool) -> None:
    mistakes = Mistakes("vm/web")
    abilities.check(xmltree.parse(IGB), None, Qemu(version), mistakes)
    assert [error.field for error in mistakes.errors] == (
        ["nics.52:54:00:00:00:01.model"] if refused else []
    )


def test_a_nic_that_was_there_is_no_mistake_of_a_change() -> None:
    mistakes = Mistakes("vm/web")
    abilities.check(xmltree.parse(IGB), xmltree.parse(IGB), Qemu(7_002_000), mistakes)
    assert not mistakes.errors


@pytest.mark.parametrize(
    "text, cpus", [("0-3,^2,8", {0, 1, 3, 8}), ("5", {5}), ("", set()), ("1 , 2-3", {1, 2, 3})]
)
def test_lists_of_cpus(text: str, cpus: set[int]) -> None:
    assert cpus_in(text) == cpus


def test_numbers_become_a_list_of_cpus() -> None:
    assert listed({0, 2, 3, 4, 9}) == "0,2-4,9"
    assert cpus_in(listed({1, 2, 7})) == {1, 2, 7}


@pytest.mark.parametrize("kind", ["pty", "tcp", "udp", "null", "stdio", "spicevmc"])
def test_a_port_whose_type_has_no_path_cannot_get_one(kind: str) -> None:
    channel = f"""<domain><devices><channel type="{kind}"><source{{}}/>
        <target type="virtio" name="org.example"/></channel></devices></domain>"""
    serial = f"""<domain><devices><serial type="{kind}"><source{{}}/></serial></devices></domain>"""
    for text, field in ((channel, "channels.org.example.path"), (serial, "serial.path")):
        before, after = (xmltree.parse(text.format(path)) for path in ("", " path='/srv/x'"))
        mistakes = Mistakes("vm/web")
        hardware.check(after, before, mistakes)
        assert [error.field for error in mistakes.errors] == [field]
        assert f"of type {kind}" in str(mistakes.errors[0])


@pytest.mark.parametrize(("kind", "errors"), [("network", 0), ("bridge", 1), ("user", 1)])
def test_a_port_group_is_of_a_vswitch(kind: str, errors: int) -> None:
    mistakes = Mistakes("vm/web")
    nic = f"""<interface type="{kind}"><mac address="52:54:00:00:00:01"/>
        <source portgroup="x"/></interface>"""
    hardware.check(xmltree.parse(f"<domain><devices>{nic}</devices></domain>"), None, mistakes)
    assert len(mistakes.errors) == errors


@pytest.mark.parametrize(
    ("said", "option"),
    [
        ("<driver name='vhost'/>", "driver"),
        ("<driver name='vfio' queues='2'/>", "queues"),
        ("<mtu size='1400'/>", "mtu"),
        ("<boot order='1'/>", ""),
    ],
)
def test_a_nic_that_is_a_device_of_the_host_has_none_of_qemu(said: str, option: str) -> None:
    nic = "<interface type='hostdev'><mac address='52:54:00:00:00:01'/><model type='virtio'/>{}"
    text = f"<domain><devices>{nic}</interface></devices></domain>"
    mistakes = Mistakes("vm/web")
    before = xmltree.parse(text.format("<driver name='vfio'/>" if "vfio" in said else ""))
    hardware.check(xmltree.parse(text.format(said)), before, mistakes)
    wrong = [f"nics.52:54:00:00:00:01.{option}"] if option else []
    assert [error.field for error in mistakes.errors] == wrong


def test_memory_in_every_unit_is_added_up() -> None:
    domain = xmltree.parse(
        """<domain><cpu><numa><cell cpus="0" memory="1" unit="GiB"/><cell memory="1048576"/></numa>
        </cpu><devices><memory model="dimm"><target><size unit="MB">1024</size></target></memory>
        </devices></domain>"""
    )
    assert memory.added_up(domain) == 2 * 2**30 + 1024 * 10**6
    assert memory.added_up(xmltree.parse("<domain><memory>1</memory></domain>")) is None


def test_a_second_screen_of_one_type_is_refused_and_one_that_was_there_is_not() -> None:
    screens = "<domain><devices><graphics type='{}'/><graphics type='vnc'/></devices></domain>"
    both, two = (xmltree.parse(screens.format(one)) for one in ("spice", "vnc"))
    for before, refused in ((both, ["graphics.type"]), (two, [])):
        mistakes = Mistakes("vm/web")
        hardware.check(two, before, mistakes)
        assert [error.field for error in mistakes.errors] == refused

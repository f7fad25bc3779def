"""What a plan is bound to: what lasts of the facts that it was made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import binding
from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import Changed
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import (
    FleetError,
    FleetErrors,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import ALL, Fact, Facts
from ansible_collections.kvm.fleet.plugins.module_utils.engine.hidden import Sensitive
from ansible_collections.kvm.fleet.plugins.module_utils.engine.host import Daemon, Secret
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import (
    File,
    Image,
    Interface,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    NONE,
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.recorded import Recorded
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse
from ansible_collections.kvm.fleet.plugins.module_utils.run import expecting

STORED = """<domain><name>web</name><memory>2</memory><currentMemory>2</currentMemory>
<seclabel type='static' model='dac'><label>0:0</label></seclabel></domain>"""
LIVE = """<domain id='1'><name>web</name><memory>2</memory><currentMemory>2</currentMemory>
<devices><disk><target dev='sda' tray='closed'/></disk>
<channel><target name='org.qemu.guest_agent.0' state='disconnected'/></channel>
<memory model='virtio-mem'><target><requested>2</requested><current>0</current></target></memory>
</devices>
<seclabel type='dynamic'><label>a</label></seclabel></domain>"""
DISK = "<disk><target dev='sda' tray='closed'/></disk>"
VOLUME = """<volume><name>a</name><capacity>8</capacity><allocation>1</allocation>
<physical>1</physical><target><path>/p/a</path><timestamps><mtime>1</mtime></timestamps>
<permissions><mode>0600</mode><owner>0</owner><group>0</group><label>x</label></permissions>
</target><backingStore><path>/p/b</path><timestamps><atime>1</atime></timestamps>
<permissions><mode>0600</mode><owner>0</owner><group>0</group></permissions></backingStore>
</volume>"""
POOL = """<pool type='dir'><name>p</name><capacity>9</capacity><allocation>1</allocation>
<available>8</available><target><path>/p</path></target></pool>"""
NETWORK = """<network connections='1'><name>lan</name><bridge name='virbr0'/>
<forward mode='bridge'><interface dev='eth0' connections='1'/></forward></network>"""

VM: Fact = ("vm", "web")
VOL: Fact = ("storage_volume", "p/a")
NET: Fact = ("vswitch", "lan")


def vm(stored: str = STORED, live: str = LIVE, **facts: Any) -> Have:
    told = {"state": "running", "autostart": False, "persistent": True, **facts}
    return Have("vm", "web", parse(stored), parse(live) if live else None, told)


def volume(text: str = VOLUME) -> Have:
    return Have("storage_volume", "p/a", parse(text))


def pool(text: str = POOL) -> Have:
    return Have("storage_pool", "p", parse(text), parse(text), {"autostart": False})


def network(text: str = NETWORK) -> Have:
    return Have("vswitch", "lan", parse(text), parse(text), {"autostart": False})


def file(mode: str = "0600", **more: Any) -> File:
    return File("file", mode, **more)


def digest_of(fact: Fact, answer: Any) -> str:
    made = bound({fact: answer})["facts"]
    return str(made.get(binding.name_of(fact), ""))


def bound(answers: Mapping[Fact, Any], title: str = "x") -> dict[str, Any]:
    return binding.bound(plan(answers, title), Facts(Recorded(answers)))


def plan(
    answers: Mapping[Fact, Any], title: str = "x", action: str = UPDATE, **options: Any
) -> Plan:
    change = Changed("vm/web", ("title",), "", title, "stored")
    have = Have("vm", "web")
    wanted = Wanted("vm", "web", "present", options=options)
    return Plan(wanted, action, have, have, (change,), facts=frozenset(answers))


@pytest.mark.parametrize(
    ("fact", "before", "after"),
    [
        (VM, vm(), vm(live=LIVE.replace("id='1'", "id='7'"))),
        (VM, vm(), vm(live=LIVE.replace("<currentMemory>2", "<currentMemory>1"))),
        (VM, vm(), vm(live=LIVE.replace("disconnected", "connected"))),
        (VM, vm(), vm(live=LIVE.replace("closed", "open"))),
        (VM, vm(), vm(live=LIVE.replace("<current>0", "<current>2"))),
        (VM, vm(), vm(live=LIVE.replace("<label>a", "<label>b"))),
        (VM, vm(), vm(live=LIVE.replace(DISK, "").replace("</devices>", f"{DISK}</devices>"))),
        (VOL, volume(), volume(VOLUME.replace("<allocation>1", "<allocation>9"))),
        (VOL, volume(), volume(VOLUME.replace("<physical>1", "<physical>9"))),
        (VOL, volume(), volume(VOLUME.replace("<mtime>1", "<mtime>9"))),
        (VOL, volume(), volume(VOLUME.replace("<atime>1", "<atime>9"))),
        (VOL, volume(), volume(VOLUME.replace("owner>0", "owner>9").replace("group>0", "group>9"))),
        (VOL, volume(), volume(VOLUME.replace("</target>", "\n  <features/>\n</target>"))),
        (("storage_pool", "p"), pool(), pool(POOL.replace("9", "7").replace("8", "6"))),
        (NET, network(), network(NETWORK.replace("connections='1'", "connections='2'"))),
        (("file", "/p/a"), file(), file(owner=7, group=7, size=1, allocated=512, written=2.0)),
        (("noted_daemons", "lan"), [Daemon("dnsmasq", 1, "lan")], [Daemon("dnsmasq", 2, "lan")]),
    ],
)  # fmt: skip
def test_what_moves_by_itself_does_not_count(fact: Fact, before: Any, after: Any) -> None:
    assert digest_of(fact, before) == digest_of(fact, after) != ""


@pytest.mark.parametrize(
    ("fact", "before", "after"),
    [
        (VM, vm(), vm(stored=STORED.replace("<memory>2", "<memory>3"))),
        (VM, vm(), vm(stored=STORED.replace("<currentMemory>2", "<currentMemory>1"))),
        (VM, vm(), vm(stored=STORED.replace("<label>0:0", "<label>7:7"))),
        (VM, vm(), vm(live=LIVE.replace("<memory>2", "<memory>3"))),
        (VM, vm(), vm(live="", state="stopped")),
        (VM, vm(), vm(state="paused")),
        (VM, vm(), vm(autostart=True)),
        (VM, vm(), Have("vm", "web")),
        (VOL, volume(), volume(VOLUME.replace("<capacity>8", "<capacity>9"))),
        (VOL, volume(), volume(VOLUME.replace("0600", "0644"))),
        (VOL, volume(), volume(VOLUME.replace("/p/b", "/p/c"))),
        (("storage_pool", "p"), pool(), pool(POOL.replace("/p<", "/q<"))),
        (NET, network(), network(NETWORK.replace("virbr0", "virbr1"))),
        (("file", "/p/a"), file(), file("0644")),
        (("file", "/p/a"), file(), None),
        (("file", "/p"), File("folder", "0711"), File("folder", "0711", owner=7)),
        (("image", "/p/a"), Image("qcow2", 8), Image("qcow2", 9)),
        (("snapshots", "web"), [], [["<domainsnapshot/>", True]]),
        (("place", "/p/a"), "file:1:2", "file:1:3"),
        (("machines",), {"q35": "pc-q35-7.2"}, {"q35": "pc-q35-9.0"}),
    ],
)
def test_what_is_another_counts(fact: Fact, before: Any, after: Any) -> None:
    assert digest_of(fact, before) != digest_of(fact, after)


@pytest.mark.parametrize(
    ("fact", "answer"),
    [
        ((ALL, "vm"), ["web", "db"]),  # another VM that comes
        (("interfaces",), {"vnet7": Interface(is_tap=True)}),
        (("open_files",), {"file:1:2": ["rsyslogd (process 7)"]}),
        (("routes",), [["br0", "192.0.2.0/24"]]),
        (("network_daemons",), [Daemon("dnsmasq", 1, "other")]),
        (("secrets",), [Secret("2f3c", "ceph", "pool")]),
        (("folder", "/p"), {"another": "file"}),
        (("leases", "lan"), [{"mac": "52:54:00:00:00:01"}]),
        (("refusal", "<domain/>"), None),
    ],
)
def test_what_is_asked_of_all_does_not_count(fact: Fact, answer: Any) -> None:
    assert digest_of(fact, answer) == ""


# ---- what is expected

ANSWERS: dict[Fact, Any] = {VM: vm(), ("file", "/p/a b"): file()}


def check(expected: Any, answers: Mapping[Fact, Any], **of_plan: Any) -> str:
    """What is wrong with a plan by what is expected; empty if nothing is."""
    facts = Facts(Recorded({**ANSWERS, **answers}))
    try:
        binding.check([plan(ANSWERS, **of_plan)], expected, facts)
    except FleetErrors as errors:
        return str(errors)
    return ""


def test_the_same_plan_of_the_same_facts_is_as_expected() -> None:
    made = bound(ANSWERS)
    assert check({"vm/web": made}, {}) == ""
    assert check({"vm/web": made["digest"]}, {}) == ""


def test_each_fact_that_is_another_is_named() -> None:
    made, now = bound(ANSWERS), {VM: vm(state="paused"), ("file", "/p/a b"): file("0644")}
    told = check({"vm/web": made}, now)
    assert "vm/web: is not planned as is expected: not as it was: file /p/a b, vm web;" in told
    assert "one of these is another: file /p/a b, vm web" in check({"vm/web": made["digest"]}, now)


def test_another_declaration_of_the_same_is_not_as_expected() -> None:
    told = check({"vm/web": bound(ANSWERS)}, {}, title="y")
    assert "all is as it was, but something else is declared" in told


def test_another_manner_of_the_same_is_not_as_expected() -> None:
    told = check({"vm/web": bound(ANSWERS)}, {}, shutdown={"on_timeout": "power_off"})
    assert "all is as it was, but something else is declared" in told
    assert check({"vm/web": bound(ANSWERS)}, {}, uri="qemu+unix:///system", apply=None) == ""


@pytest.mark.parametrize(
    "options",
    [
        {"download": {"validate_certs": False}},
        {"download": {"validate_certs": True, "proxy": Sensitive("http://me:other@192.0.2.1")}},
        {
            "image": Sensitive(
                "https://me:other@192.0.2.1/a", "https://me:\x04@192.0.2.1/a", ("other",)
            )
        },
    ],
)
def test_another_way_to_the_same_image_is_not_as_expected(options: dict[str, Any]) -> None:
    proxy = Sensitive("http://me:sesame@192.0.2.1")
    url = Sensitive("https://me:sesame@192.0.2.1/a", "https://me:\x04@192.0.2.1/a", ("sesame",))
    declared = {"image": url, "download": {"validate_certs": True, "proxy": proxy}}
    facts = Facts(Recorded(ANSWERS))
    expected = {"vm/web": binding.bound(plan(ANSWERS, **declared), facts)}
    assert "sesame" not in str(expected)
    binding.check([plan(ANSWERS, **declared)], expected, facts)
    with pytest.raises(FleetErrors, match="something else is declared"):
        binding.check([plan(ANSWERS, **{**declared, **options})], expected, facts)


def test_another_secret_is_not_as_expected() -> None:
    key = ("extra_xml",)
    one, other = (
        replace(made, wanted=replace(made.wanted, values={key: Sensitive(secret)}))
        for made, secret in ((plan(ANSWERS), "sesame"), (plan(ANSWERS), "another"))
    )
    facts = Facts(Recorded(ANSWERS))
    expected = {"vm/web": binding.bound(one, facts)}
    binding.check([one], expected, facts)
    with pytest.raises(FleetErrors, match="something else is declared"):
        binding.check([other], expected, facts)


def test_what_nobody_expects_is_refused_and_what_changes_nothing_is_not() -> None:
    assert "would be changed, and the plan that is expected does not say so" in check({}, {})
    assert check({}, {}, action=NONE) == ""


def test_what_only_check_mode_asked_is_asked_again() -> None:
    """A plan in check mode may look at more: what an earlier task would bring, say."""
    more: Fact = ("checksum", "/p/a b", "sha256")
    made = bound({**ANSWERS, more: "abc"})
    assert check({"vm/web": made}, {more: "abc"}) == ""
    assert "not as it was: checksum /p/a b sha256" in check({"vm/web": made}, {more: "abd"})


@pytest.mark.parametrize(
    "name", ["nonsense", "nonsense /x", "vm", "uri x", "checksum /x", "all vm"]
)
def test_what_is_no_fact_is_not_as_it_was(name: str) -> None:
    made = bound(ANSWERS)
    told = check({"vm/web": {**made, "facts": {**made["facts"], name: "0"}}}, {})
    assert f"not as it was: {name};" in told


@pytest.mark.parametrize(
    "fact",
    [
        ("uri",),
        ("vm", "a b"),
        ("image", "/srv/a b.qcow2"),
        ("checksum", "/srv/a b.qcow2", "sha256"),
        ("block_job", "a b", "vda"),
        ("owner", "vm", "2f3c"),
        ("cpu_modes", "x86_64", "pc-q35-7.2", "kvm"),
    ],
)
def test_a_fact_is_found_by_its_name(fact: Fact) -> None:
    assert binding.fact_of(binding.name_of(fact)) == fact


def as_file(content: str) -> Callable[[Path], str]:
    def made(folder: Path) -> str:
        file = folder / "plan.json"
        file.write_text(content)
        return str(file)

    return made


BOUND = {"digest": "a", "facts": {"vm web": "b"}, "plan": "c"}


@pytest.mark.parametrize(
    "given",
    [
        lambda _: {"vm/web": BOUND},
        lambda _: {"made_from": {"vm/web": BOUND}, "changed": True},
        as_file(json.dumps({"vm/web": BOUND})),
        as_file(json.dumps({"made_from": {"vm/web": BOUND}, "plan": []})),
        lambda _: json.dumps({"made_from": {"vm/web": BOUND}}),
    ],
)
def test_what_is_expected_comes_in_many_forms(given: Any, tmp_path: Path) -> None:
    assert expecting.expected_in(given(tmp_path)) == {"vm/web": BOUND}


def test_digests_alone_may_be_expected() -> None:
    assert expecting.expected_in({"vm/web": "a", "vm/db": "b"}) == {"vm/web": "a", "vm/db": "b"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (lambda _: ["a"], "is no mapping"),
        (lambda _: {"vm/web": 7}, "is no mapping"),
        (lambda _: {"vm/web": {**BOUND, "facts": []}}, "is no mapping"),
        (lambda _: {"vm/web": {"digest": "a"}}, "is no mapping"),
        (lambda _: "/nowhere/plan.json", "cannot read /nowhere/plan.json: No such file"),
        (as_file("{"), "is no JSON"),
        (as_file("[" * 100_000), "is no JSON"),
        (lambda _: "", "cannot read a file without a name"),
        (lambda _: "{", "the text is no JSON"),
        (as_file("[]"), "is no mapping"),
    ],
)
def test_what_is_no_plan_is_refused(given: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=says) as raised:
        expecting.expected_in(given(tmp_path))
    assert raised.value.field == "expect"

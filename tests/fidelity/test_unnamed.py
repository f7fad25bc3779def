"""What the others here rely on: what no change of a plan stands for is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fidelity.unnamed import lost

from support.commands import ROOT

GOLDEN = ROOT / "tests/golden"

VM = """<domain type='qemu'><name>x</name><memory>1</memory><vcpu>2</vcpu>
<os><type machine='q35'>hvm</type><loader>/loader</loader><boot dev='hd'/></os>{more}<devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='/a'/>
<target dev='vda' bus='virtio'/><alias name='ua-disk-root'/></disk>{devices}</devices></domain>"""
BEFORE = VM.format(more="", devices="")
NET = (
    "<network><name>n</name><mtu size='1400'/><portgroup name='fast'/>"
    "<ip address='10.1.7.1' prefix='24'/></network>"
)
MORE = "<ip address='10.1.99.1' prefix='24'/>"
ROUTE = "<route address='198.51.100.0' prefix='24' gateway='10.1.99.2'/>"


def change(field: str, resource: str = "vm/x") -> dict[str, Any]:
    return {"resource": resource, "field": field, "before": 1, "after": 2, "class": "stored"}


@pytest.mark.parametrize(
    ("fields", "edit", "place"),
    [
        (["description"], ("<memory>1", "<memory>2"), "memory/text()"),
        (["boot.devices"], ("<loader>/loader", "<loader>/other"), "os/loader/text()"),
        (["boot.devices"], ("dev='hd'", "dev='network'"), ""),
        (["cpu.count"], ("<vcpu>2", "<vcpu>3"), ""),
        (["memory.size"], ("<memory>1", "<memory>2"), "memory/text()"),
        (["machine"], ("file='/a'", "file='/b'"), "devices/disk[ua-disk-root]/source/@file"),
        (["machine"], ("machine='q35'", "machine='pc'"), ""),
        (["disks.root.cache"], ("'/a'", "'/b'"), "devices/disk[ua-disk-root]/source/@file"),
        (["disks.root.cache"], ("'none'", "'writeback'"), ""),
        (
            ["disks.root.file"],
            ("'none'", "'writeback'"),
            "devices/disk[ua-disk-root]/driver/@cache",
        ),
        (["disks.root.file"], ("file='/a'", "file='/b'"), ""),
        (["title"], ("</devices>", "<tpm/></devices>"), "devices/tpm/text()"),
        (["tpm"], ("</devices>", "<tpm/></devices>"), ""),
        ([], ("<name>", "<metadata><a:b xmlns:a='c'/></metadata><name>"), "metadata"),
    ],
)
def test_a_vm(fields: list[str], edit: tuple[str, str], place: str) -> None:
    seen = {"vm/x stored": BEFORE}
    found = lost(seen, {"vm/x stored": BEFORE.replace(*edit)}, map(change, fields))
    assert bool(found) is bool(place)
    assert all(place in one for one in found)


def test_nics_that_follow_their_port_group_are_of_its_vswitch() -> None:
    nic = "<interface type='network'><mac address='52:54:00:00:00:01'/></interface>"
    filtered = nic.replace("</interface>", "<filterref filter='a'/></interface>")
    seen, after = ({"vm/x stored": VM.format(more="", devices=one)} for one in (nic, filtered))
    follows = {**change("security", "vswitch/n"), "after": {"x (52:54:00:00:00:01)": "strict"}}
    assert not lost(seen, after, [follows])
    assert lost(seen, after, [{**follows, "after": {"y (52:54:00:00:00:01)": "strict"}}])
    assert lost(after, {"vm/x stored": BEFORE}, [follows])


@pytest.mark.parametrize(
    "case",
    [
        changes.parent
        for kind in ("storage_pool", "storage_volume", "vm", "vswitch")
        for changes in sorted((GOLDEN / kind).glob("*/changes.yml"))
        if all((changes.parent / side).exists() for side in ("before.xml", "after.xml"))
    ],
    ids=lambda case: str(case.relative_to(GOLDEN)),
)
def test_each_known_plan_stands_for_all_of_its_edit(case: Path) -> None:
    resource = f"{case.parent.name}/x"
    rows = yaml.safe_load((case / "changes.yml").read_text()) or []
    was, now = ((case / side).read_text() for side in ("before.xml", "after.xml"))
    seen = {f"{resource} stored": was}, {f"{resource} stored": now}
    assert lost(*seen, [{"resource": resource, **row} for row in rows]) == []


def test_a_nic_with_an_alias_of_others_is_known_by_its_mac() -> None:
    nic = (
        "<interface type='network'><mac address='52:54:00:00:00:01'/>{}"
        "<alias name='ua-mynic'/></interface>"
    )
    seen, after = (
        {"vm/x stored": VM.format(more="", devices=nic.format(link))}
        for link in ("", "<link state='down'/>")
    )
    assert not lost(seen, after, [change("nics.52:54:00:00:00:01.link")])
    assert lost(seen, after, [change("nics.52:54:00:00:00:02.link")])


def test_extra_xml_stands_for_what_it_says() -> None:
    says = {
        **change("extra_xml"),
        "before": "",
        "after": "<memtune><hard_limit>9</hard_limit></memtune>",
    }
    for place, is_lost in (("<hard_limit>9</hard_limit>", False), ("<swap_hard_limit/>", True)):
        after = BEFORE.replace("<devices>", f"<memtune>{place}</memtune><devices>")
        assert bool(lost({"vm/x stored": BEFORE}, {"vm/x stored": after}, [says])) is is_lost


def test_the_notes_of_others_stay() -> None:
    noted = BEFORE.replace("<name>", "<metadata><a:b xmlns:a='c'/></metadata><name>")
    assert lost({"vm/x stored": noted}, {"vm/x stored": BEFORE}, [change("title")])


@pytest.mark.parametrize(
    ("field", "edit", "is_lost"),
    [
        ("mtu", ("1400", "1300"), False),
        ("mtu", ("'fast'", "'slow'"), True),
        ("more_addresses", ("</network>", f"{MORE}</network>"), False),
        ("mtu", ("</network>", f"{MORE}</network>"), True),
        ("routes.198.51.100.0/24", ("</network>", f"{ROUTE}</network>"), False),
        ("mtu", ("</network>", f"{ROUTE}</network>"), True),
        (
            "port_groups.fast.bandwidth",
            ("name='fast'/", "name='fast' trustGuestRxFilters='no'/"),
            False,
        ),
        (
            "port_groups.slow.bandwidth",
            ("name='fast'/", "name='fast' trustGuestRxFilters='no'/"),
            True,
        ),
    ],
)
def test_a_vswitch(field: str, edit: tuple[str, str], is_lost: bool) -> None:
    plan = [change(field, "vswitch/n")]
    found = lost({"vswitch/n stored": NET}, {"vswitch/n stored": NET.replace(*edit)}, plan)
    assert bool(found) is is_lost


@pytest.mark.parametrize(
    ("resource", "is_lost"), [("vm/x", False), ("vm/y", True), ("vswitch/x", True)]
)
def test_what_comes_is_in_the_plan(resource: str, is_lost: bool) -> None:
    assert bool(lost({}, {"vm/x stored": BEFORE}, [change("state", resource)])) is is_lost
    assert bool(lost({"vm/x stored": BEFORE}, {}, [change("state", resource)])) is is_lost


def test_a_vm_goes_only_by_its_state() -> None:
    assert lost({"vm/x stored": BEFORE}, {}, [change("title")])


@pytest.mark.parametrize(
    ("now", "field", "is_lost"),
    [
        ("(5, 0, 0, 1)", "title", True),
        ("(1, 1, 1, 1)", "title", True),
        ("(5, 0, 0, 1)", "state", False),
        ("(1, 1, 1, 1)", "autostart", False),
    ],
)
def test_facts(now: str, field: str, is_lost: bool) -> None:
    found = lost({"vm/x facts": "(1, 1, 0, 1)"}, {"vm/x facts": now}, [change(field)])
    assert bool(found) is is_lost


@pytest.mark.parametrize(("folder", "is_lost"), [("/one", True), ("/two", False)])
def test_volumes_go_from_sight_with_another_folder_only(folder: str, is_lost: bool) -> None:
    live = "<pool type='dir'><name>p</name><target><path>{}</path></target></pool>"
    pool = {side: {"storage_pool/p live": live.format(side)} for side in ("/one", folder)}
    volume = {"storage_volume/p/v stored": "<volume/>"}
    moves = [change("path", "storage_pool/p"), change("state", "storage_pool/p")]
    assert bool(lost({**pool["/one"], **volume}, pool[folder], moves)) is is_lost

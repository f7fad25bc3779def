"""Recordings: what is written is read back, and nothing else is taken for a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import recording
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import ALL, Fact
from ansible_collections.kvm.fleet.plugins.module_utils.engine.host import QUESTIONS, Daemon, Secret
from ansible_collections.kvm.fleet.plugins.module_utils.engine.looked_at import (
    File,
    Image,
    Interface,
    Layout,
    Unreadable,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.move_facts import (
    Bridge,
    Clock,
    DiskSize,
    GuestCpus,
    Identity,
    Inside,
    Mount,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.nodes import Cell, HugePages
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import Capacity, Policy
from ansible_collections.kvm.fleet.plugins.module_utils.engine.xmltree import parse, serialise
from ansible_collections.kvm.fleet.plugins.module_utils.run.snapshot import facts_in
from ansible_collections.kvm.fleet.plugins.module_utils.run.taking import as_text

DOMAIN = "<domain><name>web</name><uuid>2f3c6f2e-0000-4000-8000-000000000001</uuid></domain>"
# An answer of each type to each question.
ANSWERS: dict[Fact, Any] = {
    ("arch",): "x86_64",
    ("capacity",): Capacity((0, 1), 1 << 34, {2 << 20: 4, 1 << 30: 1}, ((0, (0, 1), 1 << 34),)),
    ("faults",): ["a"],
    ("held",): {"web": {"scope": "/a", "noted": {"cpus": [1]}, "lacks": []}},
    ("promises",): {"policy": Policy()._asdict(), "error": "", "cgroup": 2, "faults": ["a", "b"]},
    ("best_virt_type",): "kvm",
    ("can_keep_tpm",): True,
    ("driver",): "QEMU",
    ("huge_pages",): HugePages([(0, 1 << 21, 8)], 1 << 30, 1 << 32),
    ("interfaces",): {"br0": Interface(is_bridge=True, address="52:54:00:00:00:01")},
    ("libvirt_version",): 9_000_000,
    ("machines",): {"q35": "pc-q35-7.2", "none": None},
    ("network_daemons",): [Daemon("dnsmasq", 7, "lan")],
    ("open_files",): {"file:1:2": ["qemu-nbd (process 7)"]},
    ("routes",): [["br0", "192.0.2.0/24"]],
    ("secrets",): [Secret("2f3c", "ceph", "pool")],
    ("state_folder",): "",
    ("uri",): "qemu:///system",
    ("version",): 7_002_000,
    ("cells",): [Cell(0, 1 << 34, [[0, 2], [1, 3]])],
    ("backup", "web"): "<domainbackup mode='push'/>",
    ("checkpoints", "web"): ["one"],
    ("controllers", "web"): ["cpu", "memory"],
    ("cpu_models", "x86_64"): ["qemu64"],
    ("far_interface", "br0"): None,
    ("file", "/srv/a b.qcow2"): File("file", "0600", 64055, 64055, 10, 20, 1.5),
    ("file", "/gone"): None,
    ("written", "/srv/a b.qcow2"): "10 bytes, 1.5",
    ("folder", "/srv"): {"a b.qcow2": "file", "ä": "link"},
    ("folder", "/gone"): None,
    ("image", "/srv/a b.qcow2"): Image(
        "qcow2", 1 << 40, "base", "raw", "data", Layout(2, 512, True, True)
    ),
    ("image", "/srv/b.raw"): Image("raw", 1 << 20),
    ("image", "/gone"): Unreadable("No such file or directory", missing=True),
    ("leases", "lan"): [{"mac": "52:54:00:00:00:02", "ipaddr": "192.0.2.7", "expirytime": 3}],
    ("machines_of", "x86_64"): ["q35"],
    ("noted_daemons", "lan"): [Daemon("radvd", 8, "lan")],
    ("parsed", DOMAIN): {"xml": DOMAIN},
    ("place", "/srv/a b.qcow2"): "file:1:2",
    ("real_path", "/lib"): "/usr/lib",
    ("refusal", DOMAIN): None,
    ("snapshots", "web"): [["<domainsnapshot><name>s</name></domainsnapshot>", True]],
    ("volume_at", "/srv/a b.qcow2"): "p/a b.qcow2",
    ("block_job", "web", "vda"): "blockcopy",
    ("checksum", "/srv/a b.qcow2", "sha256"): "abc",
    ("listed_checksum", "https://x/SUMS", "a.qcow2", "sha256", "{}"): {"digits": "abc"},
    ("cut_off", "/srv/a b.qcow2"): "is cut off",
    ("kept_image", "sha256-abc", "/srv/library"): 1 << 30,
    ("made_from", "/srv/a b.qcow2"): "sha256:abc",
    ("owner", "vm", "2f3c"): "web",
    ("parser_refusal", "vswitch", "<network/>"): "",
    ("cpu_modes", "x86_64", "pc-q35-7.2", "kvm"): {"host-model": "yes"},
    ("video_models", "x86_64", "pc-q35-7.2", "kvm"): ["virtio"],
    ("bridge", "br0"): Bridge(9000, ("eno1",)),
    ("clock",): Clock(0.5, 0.01, "here"),
    ("cpu_comparison", "x86_64", "q35", "kvm", "<cpu/>"): {"result": "lacks", "said": "avx512"},
    ("device_models", "x86_64", "pc-q35-7.2", "kvm"): {"video/modelType": ["qxl"], "tpm": []},
    ("device_models", "x86_64", "none", "kvm"): None,
    ("inner_snapshots", "web", "vda"): [["1", "before"]],
    ("disk_size", "web", "vda"): DiskSize(1 << 30, 1 << 20, 1 << 21),
    ("inside", "web", "vda"): Inside(2, True),
    ("guest_cpus", "x86_64", "q35", "kvm"): GuestCpus(
        "EPYC", "AMD", {"x2apic": "require"}, {"EPYC": "yes"}, {"Skylake": ["pcid"]}
    ),
    ("identity",): Identity("2f3c", "kvm1", ("apparmor", "dac")),
    ("kernel",): "6.12.118+deb13-amd64",
    ("lock_manager",): "lockd",
    ("open_vswitch",): {"error": "", "ports": {"vnet0": [5, [5, 6], "native-untagged"]}},
    ("links",): {"eno1": {"master": "", "addresses": ["192.0.2.7/24"], "max_mtu": 9000}},
    ("linux_bridges",): {"vlans": {"vnet0": [[10, 10, "pvid untagged"]]}},
    ("network_keeper",): {"keeper": "networkd"},
    ("network_manager",): {"version": "1.42.4"},
    ("switch_files",): {"networkd": {"05-kvm-fleet-br9.netdev": "[NetDev]"}},
    ("vlan_hook",): {"installed": "2f3c", "called": True},
    ("way_in",): {"address": "192.0.2.7", "systemd": True, "unconfirmed": ""},
    ("migratable", "web"): {"stored": DOMAIN, "live": DOMAIN},
    ("mounts",): [Mount("/nfs", "nfs4", "nas:/x")],
    ("node_devices",): ["pci_0000_00_00_0"],
    ("nwfilters",): ["clean-traffic"],
    ("network_filter", "kvm-fleet-strict"): "<filter name='kvm-fleet-strict'/>",
    ("addresses",): {"eno3": ["198.51.100.7"], "eno4": []},
    ("post_copy", "web"): False,
    ("vm_job", "web"): "a migration",
    ("free_in", "images"): 1 << 30,
    ("iscsi_login", "nas", "3260", "iqn.2026-01.com.example:vms", ""): "lets in",
    ("iscsi_targets", "nas", "3260"): ["iqn.2026-01.com.example:vms"],
    ("direct_block", "/srv/a.img"): 512,
    ("greeting", "mon1", "3300"): "ceph v2",
    ("reaches", "192.0.2.1", "49152"): "closed",
}
FACTS: dict[str, Any] = {"state": "running", "autostart": False, "persistent": True}
RESOURCES = {
    "web": Have("vm", "web", parse(DOMAIN), parse(DOMAIN), FACTS),
    "db": Have("vm", "db"),
}


def answers() -> dict[Fact, Any]:
    resources = {("vm", name): have for name, have in RESOURCES.items()}
    return {**ANSWERS, (ALL, "vm"): ["web"], **resources}


def written(given: dict[Fact, Any]) -> Any:
    """A recording as it is after it was in a file."""
    return json.loads(as_text(recording.dump(given)))


def test_answers_of_every_type_are_read_back() -> None:
    assert {fact[0] for fact in ANSWERS} == set(QUESTIONS)
    back = recording.load(written(answers()))
    for fact, answer in ANSWERS.items():
        assert back[recording.key_of(fact)] == answer
        assert type(back[recording.key_of(fact)]) is type(answer)
    assert back[(ALL, "vm")] == ["web"]
    for name, have in RESOURCES.items():
        found = back[("vm", name)]
        assert (found.exists, found.facts) == (have.exists, have.facts)
        for one, other in ((found.stored, have.stored), (found.live, have.live)):
            assert (one is None) == (other is None)
            assert one is None or other is None or serialise(one) == serialise(other)


def test_a_recording_of_what_was_read_back_is_the_same() -> None:
    once = written(answers())
    assert written(recording.load(once)) == once


def test_the_order_of_the_questions_is_not_in_a_recording() -> None:
    given = answers()
    assert as_text(recording.dump(dict(reversed(list(given.items()))))) == as_text(
        recording.dump(given)
    )


# ---- secrets

WORD = "correct-horse-battery"
COMMANDLINE = (
    '<qemu:commandline xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">'
    f'<qemu:arg value="-object"/><qemu:arg value="secret,id=s,data={WORD}"/></qemu:commandline>'
)
WITH_SECRETS = DOMAIN.replace(
    "</domain>",
    f'<devices><graphics type="vnc" passwd="{WORD}"/></devices>{COMMANDLINE}</domain>',
)


@pytest.mark.parametrize(
    ("fact", "answer"),
    [
        (("vm", "web"), Have("vm", "web", parse(WITH_SECRETS), parse(WITH_SECRETS), FACTS)),
        (
            ("snapshots", "web"),
            [(f"<domainsnapshot><name>s</name>{WITH_SECRETS}</domainsnapshot>", True)],
        ),
        (("parsed", WITH_SECRETS), {"xml": WITH_SECRETS}),
        (("parsed", WITH_SECRETS), {"schema": "does not like an attribute"}),
        (("refusal", WITH_SECRETS), None),
        (("parser_refusal", "vswitch", WITH_SECRETS), ""),
    ],
)
def test_no_secret_is_in_a_recording(fact: Fact, answer: Any) -> None:
    text = as_text(recording.dump({fact: answer}))
    assert WORD not in text
    assert recording.load(json.loads(text))


def test_the_same_secret_has_the_same_token_and_another_has_not() -> None:
    def digest(word: str) -> Any:
        tree = parse(WITH_SECRETS.replace(WORD, word))
        return recording.dump({("vm", "web"): Have("vm", "web", tree, None, FACTS)})["digest"]

    assert digest(WORD) == digest(WORD)
    assert digest(WORD) != digest("another")


# ---- what is refused


def changed(recorded: Any) -> Any:
    recorded["facts"]["arch"]["[]"] = "riscv64"
    return recorded


def less(recorded: Any) -> Any:
    del recorded["resources"]
    return recorded


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda one: as_text(changed(one)), "was changed after it was written"),
        (lambda one: as_text(less(one)), "was changed after it was written"),
        (lambda one: as_text({**one, "format": 2}), "has the format 2, and this version"),
        (lambda one: as_text({**one, "digest": None}), "was changed after it was written"),
        (lambda one: as_text(one)[:-40], "is no JSON"),
        (lambda _one: "", "is no JSON"),
        (lambda _one: "[1, 2]", "is no recording of a host"),
        (lambda _one: '{"vms": []}', "is no recording of a host"),
        (lambda _one: '{"format": 1}', "was changed after it was written"),
        (lambda _one: "\x00\xff", "is no JSON"),
    ],
)
def test_what_is_no_recording_as_it_was_written_is_refused(
    spoil: Any, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "host.json"
    file.write_bytes(spoil(written(answers())).encode("latin-1"))
    with pytest.raises(FleetError, match=f"the snapshot {file}.*{says}"):
        facts_in(str(file))


def test_a_snapshot_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"cannot read the snapshot .*/none\.json: No such file"):
        facts_in(str(tmp_path / "none.json"))
    with pytest.raises(FleetError, match="cannot read the snapshot"):
        facts_in("")

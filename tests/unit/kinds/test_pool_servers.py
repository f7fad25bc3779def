"""A pool whose server does not answer is refused before libvirt waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import Fact
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.storage_pool.kind import KIND
from support import worlds

SHARE = {"type": "netfs", "path": "/srv/shared", "source": {"host": "nas", "path": "/vms"}}
ISCSI = {"type": "iscsi", "source": {"host": "nas", "device": "iqn.2026-01.com.example:vms"}}
SILENT = "timed out"
VMS, KVM1 = "iqn.2026-01.com.example:vms", "iqn.2026-01.com.example:kvm1"


def shared(**source: Any) -> dict[str, Any]:
    return {**SHARE, "source": {**SHARE["source"], **source}}  # type: ignore[dict-item]


def planned(declared: dict[str, Any], answers: dict[str, str], on: Any = worlds.HERE) -> Plan:
    """The plan for a new pool, where the server answers so on its ports."""
    return _planned(declared, world(answers, on))


def world(answers: dict[str, str], on: Any = worlds.HERE) -> World:
    found: dict[Fact, Any] = {("reaches", "nas", port): how for port, how in answers.items()}
    found[("iscsi_targets", "nas", "3260")] = None
    found[("iscsi_login", "nas", "3260", VMS, "")] = None
    return worlds.world({}, {("file", "/srv/shared"): None, **found, **on})


def _planned(declared: dict[str, Any], of: World) -> Plan:
    [wanted] = KIND.parse({"name": "far", "state": "active", "build": True, **declared})
    return KIND.plan(wanted, Have("storage_pool", "far"), of)


@pytest.mark.parametrize(
    ("declared", "answers", "says"),
    [
        (SHARE, {"2049": SILENT, "111": SILENT}, "nas does not answer on port 2049 (timed out)"),
        (shared(format="cifs"), {"445": "closed"}, "port 445 (it refuses connections)"),
        (ISCSI, {"3260": "No route to host"}, "port 3260 (No route to host)"),
    ],
)
def test_a_server_that_does_not_answer_is_told(
    declared: dict[str, Any], answers: dict[str, str], says: str
) -> None:
    with pytest.raises(FleetErrors) as caught:
        planned(declared, answers)
    [error] = caught.value.errors
    assert (error.field, says in str(error)) == ("source.host", True), str(error)


def ceph(*servers: str, port: int | None = None) -> dict[str, Any]:
    hosts = [{"name": name, **({"port": port} if port else {})} for name in servers]
    return {"type": "rbd", "source": {"name": "vms", "hosts": hosts}}


def monitors(answers: dict[tuple[str, int], str], says: str = "ceph v2") -> World:
    found: dict[Fact, Any] = {
        ("reaches", at, str(port)): how for (at, port), how in answers.items()
    }
    greetings = {("greeting", at, str(port)): says for at, port in answers}
    return worlds.world({}, {**found, **greetings, **worlds.HERE})


@pytest.mark.parametrize(
    ("port", "answers", "greeting", "says"),
    [
        (None, {("a", 3300): "closed", ("a", 6789): SILENT}, "", "port 3300 or 6789 (timed out)"),
        (6790, {("a", 6790): "open"}, "", "a does not answer on port 6790 (it says nothing)"),
        (22, {("a", 22): "open"}, "SSH-2.0-", "port 22 (no monitor of Ceph)"),
    ],
)
def test_monitors_that_do_not_answer_are_told(
    port: int | None, answers: dict[tuple[str, int], str], greeting: str, says: str
) -> None:
    with pytest.raises(FleetErrors) as caught:
        _planned(ceph("a", port=port), monitors(answers, greeting))
    [error] = caught.value.errors
    assert (error.field, says in str(error)) == ("source.hosts", True), str(error)


def test_one_monitor_that_answers_is_enough() -> None:
    answers = {("a", 3300): SILENT, ("a", 6789): SILENT, ("b", 3300): "open"}
    assert not _planned(ceph("a", "b"), monitors(answers)).warnings


@pytest.mark.parametrize(
    ("declared", "answers"),
    [
        (SHARE, {"2049": "open"}),
        # Of an older NFS another port tells where it is.
        (SHARE, {"2049": "closed", "111": "open"}),
        (ISCSI, {"3260": "open"}),
        ({**ISCSI, "state": "inactive"}, {"3260": SILENT}),
    ],
)
def test_a_server_that_answers_or_is_not_needed_is_not(
    declared: dict[str, Any], answers: dict[str, str]
) -> None:
    assert planned(declared, answers).warnings == ()


def asked(
    found: str | None, targets: list[str] | None, initiator: str = "", kind: str = "iscsi"
) -> Plan:
    """The plan for a target of a server that answers so to a login, and lists these."""
    answers = {("iscsi_login", "nas", "3260", VMS, initiator): found}
    listed = {("iscsi_targets", "nas", "3260"): targets}
    of = world({"3260": "open"}, {**worlds.HERE, **answers, **listed})
    source = {"host": "nas", "device": VMS, "initiator": initiator or None}
    return _planned({"type": kind, "source": source}, of)


@pytest.mark.parametrize(
    ("found", "targets", "initiator", "says"),
    [
        ("has none", [], "", f"nas has no target {VMS} for this host, and"),
        ("has none", ["iqn.a", "iqn.b"], "", f"{VMS} for this host; it lists iqn.a, iqn.b, and"),
        ("has none", ["iqn.a"], KVM1, f"{VMS} for the initiator {KVM1}, and"),
        ("forbids", [VMS], "", f"nas does not let this host in to its target {VMS}, and"),
        ("forbids", [VMS], KVM1, f"does not let the initiator {KVM1} in to its target {VMS}"),
    ],
)
def test_a_target_that_refuses_a_login_is_told(
    found: str, targets: list[str], initiator: str, says: str
) -> None:
    """open-iscsi would try to log in for two minutes."""
    for kind in ("iscsi", "iscsi-direct") if initiator else ("iscsi",):
        with pytest.raises(FleetErrors) as caught:
            asked(found, targets, initiator, kind)
        [error] = caught.value.errors
        assert error.field == "source.device"
        assert says in str(error)


@pytest.mark.parametrize(
    ("found", "targets", "initiator"),
    [
        ("lets in", ["iqn.a"], ""),  # some servers hide what they have
        ("lets in", ["iqn.a"], KVM1),
        (None, [VMS, "iqn.a"], ""),
        (None, None, ""),
        (None, ["iqn.a"], KVM1),  # the list is for another
    ],
)
def test_one_that_lets_in_or_may_is_not(
    found: str | None, targets: list[str] | None, initiator: str
) -> None:
    assert asked(found, targets, initiator).warnings == ()


def test_one_that_is_not_listed_is_a_doubt_where_the_login_tells_nothing() -> None:
    [warning] = asked(None, ["iqn.a"]).warnings
    assert f"nas does not list a target {VMS} to this host; it lists iqn.a; where" in warning


def test_from_another_machine_nobody_can_tell() -> None:
    assert planned(SHARE, {"2049": SILENT, "111": SILENT}, on={}).changes


def test_check_mode_assumes_that_a_server_will_answer() -> None:
    [wanted] = KIND.parse({"name": "far", "state": "active", "build": True, **ISCSI})
    of = world({"3260": SILENT})
    of.assume_on_host = True
    plan = KIND.plan(wanted, Have("storage_pool", "far"), of)
    assert "the plan assumes that it will" in str(plan.warnings)


def mounted(*options: str, form: str = "nfs") -> Plan:
    """The plan of a start of a pool that others defined with options of `mount`.

    None of the ports answers that a mount without options would need.
    """
    named = "".join(f"<fs:option name='{option}'/>" for option in options)
    stored = xmltree.parse(
        "<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'>"
        f"<name>far</name><source><host name='nas'/><dir path='/vms'/><format type='{form}'/>"
        "</source><target><path>/srv/shared</path></target>"
        f"<fs:mount_opts>{named}</fs:mount_opts></pool>"
    )
    facts = {"state": "inactive", "autostart": False, "persistent": True}
    [wanted] = KIND.parse({"name": "far", "state": "active", "build": True})
    silent = dict.fromkeys(("2049", "111", "445", "24007", "2051"), SILENT)
    answers = {**silent, "2050": "open"}
    return KIND.plan(wanted, Have("storage_pool", "far", stored, facts=facts), world(answers))


@pytest.mark.parametrize(
    ("options", "form"),
    [
        (("port=2050",), "nfs"),
        (("noatime", "vers=4.2,port=2050"), "nfs"),
        (("port=2050",), "cifs"),
        (("vers=3", "mountport=2050"), "nfs"),
        (("vers=3", "mounthost=other"), "nfs"),
        # What a connection of TCP tells nothing of.
        (("proto=rdma", "port=20049"), "nfs"),
        (("udp", "vers=3"), "nfs"),
        (("transport=rdma",), "glusterfs"),
        (("port=odd",), "nfs"),
    ],
)
def test_a_mount_that_goes_elsewhere_is_not_asked_for_at_the_usual_port(
    options: tuple[str, ...], form: str
) -> None:
    assert mounted(*options, form=form).warnings == ()


@pytest.mark.parametrize(
    ("options", "port"), [(("port=2051",), 2051), (("sync",), 2049), (("port=0",), 2049)]
)
def test_a_mount_that_does_not_answer_is_told_by_its_own_port(
    options: tuple[str, ...], port: int
) -> None:
    with pytest.raises(FleetErrors, match=f"nas does not answer on port {port} "):
        mounted(*options)

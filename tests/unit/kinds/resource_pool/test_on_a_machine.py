"""Resource pools on a machine of files alone: written, changed, interrupted, removed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.engine.facts import Facts, Reads
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.promises import Capacity, Policy
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import results
from ansible_collections.kvm.fleet.plugins.module_utils.engine.world import World
from ansible_collections.kvm.fleet.plugins.module_utils.host import capacity, cgroups, slices
from ansible_collections.kvm.fleet.plugins.module_utils.host.live import Live
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool import applier, reader
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool.kind import KIND
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool.naming import (
    cgroup_of,
    path_of,
    unit_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool.promised import pool_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.together import admission, rules
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND as VM
from ansible_collections.kvm.fleet.plugins.module_utils.run import reading
from ansible_collections.kvm.fleet.plugins.module_utils.run.planning import plan_all

SYSTEMCTL = """\
#!/bin/sh
echo "$@" >>{root}/calls
[ ! -e {root}/fails ] || {{ echo "no such bus" >&2; exit 1; }}
[ "$1" != stop ] || rm -r {root}/sys/fs/cgroup/machine.slice/"$3"
"""
OF_OTHERS = "# by hand\n[Slice]\nMemoryMax=1G\nTasksMax=9\n"


class Machine:
    """A root of its own, a systemctl that notes what it was called with, and VMs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("etc/systemd/system", "run/systemd/system", "sys/fs/cgroup"):
            (root / folder).mkdir(parents=True)
        (root / "sys/fs/cgroup/cgroup.controllers").touch()
        systemctl = root / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(root=root))
        systemctl.chmod(0o755)
        self.held = capacity.Places(
            units=str(root / "etc/systemd/system"),
            state=str(root / "run/kvm-fleet"),
            cgroup=str(root / "sys/fs/cgroup"),
            systemd=str(root / "run/systemd/system"),
            drop_ins=str(root / "run/systemd/system.control"),
            run=lambda command: self.told.append(list(command)) or "",
        )
        self.told: list[list[str]] = []
        self.places = reader.Places(str(root), (str(systemctl),), self.held)
        self.uri = "qemu:///system"
        self.vms: dict[str, Have] = {}
        self.policy = Policy()

    def unit(self, name: str) -> Path:
        return self.root / "etc/systemd/system" / name

    def slice(self, pool: str, **files: str) -> Path:
        group = self.root / "sys/fs/cgroup" / cgroup_of(pool)
        group.mkdir(parents=True)
        for name, text in {"cgroup_events": "populated 0\n", **files}.items():
            (group / name.replace("_", ".", 1)).write_text(text)
        return group

    def vm(self, name: str, pool: str = "", runs_in: str = "") -> None:
        def domain(pool: str) -> xmltree.Element:
            said = f"<resource><partition>/machine/{pool}</partition></resource>" if pool else ""
            return xmltree.parse(f"<domain><name>{name}</name>{said}</domain>")

        live = domain(runs_in) if runs_in else None
        self.vms[name] = Have("vm", name, domain(pool), live, {"state": "running"})

    @property
    def calls(self) -> list[str]:
        file = self.root / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def world(self, **options: Any) -> World:
        host = SimpleNamespace(
            uri=self.uri, is_local="+ssh" not in self.uri, driver="QEMU", state_folder=""
        )

        def vms(_host: Any, names: Any) -> dict[str, Have]:
            return {n: self.vms.get(n, Have("vm", n)) for n in (names or self.vms)}

        held = self.held
        told = {"systemd": cgroups.has_systemd(held), "cgroup": cgroups.version(held), "error": ""}
        policy = {"policy": self.policy._asdict(), **told}
        own: dict[str, Any] = {"promises": lambda _host: policy}
        own["capacity"] = lambda _host: Capacity((0, 1, 2, 3), 16 << 30, {}, ())
        live: Any = Live(host, [*reading.READS, Reads({"vm": vms}, own)])  # type: ignore[arg-type]
        return World(Facts(live), {KIND.name: KIND, VM.name: VM}, **options)

    def plans(self, *declared: Mapping[str, Any], **options: Any) -> list[Plan]:
        wanted = []
        for params in declared:
            checked = ArgumentSpecValidator(KIND.spec()).validate(params)
            assert not checked.error_messages
            wanted += KIND.parse(checked.validated_parameters)
        return plan_all(
            self.world(**options),
            wanted,
            rules_of_changes=lambda: [rules.nothing_in_use_goes, admission.admitted],
        )

    def run(self, *declared: Mapping[str, Any]) -> list[dict[str, Any]]:
        plans = self.plans(*declared)
        for plan in plans:
            if plan.changed:
                KIND.apply(None, plan)
        again = self.plans(*declared)
        assert [results(plan.changes) for plan in again] == [[] for _plan in again]
        return [row for plan in plans for row in results(plan.changes)]

    def refusal(self, *declared: Mapping[str, Any]) -> str:
        with pytest.raises((FleetError, FleetErrors)) as refused:
            self.plans(*declared)
        return str(refused.value)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(reader, "SYSTEM", made.places)
    return made


GOLD = {"name": "gold", "cpu": {"limit": 2}, "memory": {"limit": "1GiB"}}
WIDE = {**GOLD, "expandable": True}
INNER = {"name": "my-pool", "parent": "gold", "cpu": {"reservation": 0.5}}
GONE = {"name": "gold", "state": "absent"}


def test_a_pool_is_made_read_by_systemd_and_there_again(machine: Machine) -> None:
    assert machine.run(INNER, WIDE)
    assert machine.calls == ["daemon-reload"] * 2
    assert (
        "Name=my-pool\nCPUReservation=0.5\n"
        in machine.unit(r"machine-gold-my\x2dpool.slice").read_text()
    )
    assert "CPUQuota=200%\nMemoryMax=1073741824\n" in machine.unit("machine-gold.slice").read_text()
    assert oct(machine.unit("machine-gold.slice").stat().st_mode & 0o777) == "0o644"
    assert machine.run(INNER, WIDE) == []
    told = KIND.result(machine.world().everything("resource_pool")["gold/my-pool"])
    assert (told["name"], told["parent"], told["managed"]) == ("my-pool", "gold", True)
    assert told["active"] is False and told["cpu"] == {"reservation": 0.5}


def test_a_file_of_others_is_adopted_and_keeps_their_lines(machine: Machine) -> None:
    file = machine.unit("machine-gold.slice")
    file.write_text(OF_OTHERS)
    file.chmod(0o640)
    rows = machine.run(GOLD)
    assert [row["field"] for row in rows] == ["cpu.limit", "managed"]
    assert file.read_text() == OF_OTHERS + "CPUQuota=200%\n\n[X-kvm-fleet]\nName=gold\n"
    assert oct(file.stat().st_mode & 0o777) == "0o640"


def test_what_the_kernel_has_is_compared_where_the_slice_is_active(machine: Machine) -> None:
    machine.run(GOLD)
    files = {"cpu_max": "200000 100000\n", "memory_max": "1073741824\n", "memory_min": "8192\n"}
    group = machine.slice("gold", memory_current="4096\n", **files)
    assert machine.run(GOLD) == [], "what the hook adds to a minimum is more than was promised"
    (group / "cpu.max").write_text("max 100000\n")
    [plan] = machine.plans(GOLD)
    [row] = results(plan.changes)
    assert (row["field"], row["live"], row["class"]) == ("cpu.limit", 0, "live")
    KIND.apply(None, plan)
    assert machine.calls[-1] == "daemon-reload"


def test_a_slice_that_systemd_left_as_it_was_is_renewed(machine: Machine) -> None:
    machine.run(GOLD)
    group = machine.slice("gold", cpu_max="200000 100000\n", memory_max="1073741824\n")
    [plan] = machine.plans({"name": "gold", "cpu": {"limit": 3}})

    def renewed(command: Any) -> str:
        machine.told.append(list(command))
        (group / "cpu.max").write_text("300000 100000\n")
        return ""

    machine.places = machine.places._replace(held=machine.held._replace(run=renewed))
    applier.STEPS[applier.step_of(plan)](plan, machine.places)
    [told] = machine.told
    assert "machine-gold.slice" in told and "MemoryZSwapMax" in told
    assert machine.run({"name": "gold", "cpu": {"limit": 3}}) == []
    machine.told.clear()
    machine.run({"name": "gold", "expandable": True})
    assert machine.told == [], "the kernel has all that the file says"


def test_a_limit_below_what_is_used_warns(machine: Machine) -> None:
    machine.run(GOLD)
    machine.slice("gold", memory_current=str(3 << 29), memory_max=str(1 << 30))
    [plan] = machine.plans({"name": "gold", "memory": {"limit": "512MiB"}})
    assert "1536MiB are in use in it" in " ".join(plan.warnings)


@pytest.mark.parametrize("step", ["written", "not read"])
def test_a_run_that_was_killed_is_finished_by_the_next(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    [plan] = machine.plans(GOLD)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(applier, "_write" if step == "written" else "_systemctl", killed)
        KIND.apply(None, plan)
    rows = machine.run(GOLD)
    assert [row["field"] for row in rows][-1] == ("state" if step == "written" else "unit")
    assert machine.calls == ["daemon-reload"]


def killed(*_arguments: Any, **_options: Any) -> None:
    raise KeyboardInterrupt


def test_what_systemd_says_is_in_the_error(machine: Machine) -> None:
    (machine.root / "fails").touch()
    [plan] = machine.plans(GOLD)
    with pytest.raises(FleetError, match="systemctl daemon-reload failed: no such bus"):
        KIND.apply(None, plan)


def test_a_pool_goes_with_its_slice_and_what_the_hook_set(machine: Machine) -> None:
    machine.run(GOLD)
    group = machine.slice("gold")
    by_hook = machine.root / "run/systemd/system.control/machine-gold.slice.d/50-MemoryMin.conf"
    by_hook.parent.mkdir(parents=True)
    by_hook.write_text("[Slice]\nMemoryMin=1\n")
    machine.run(GONE)
    assert not machine.unit("machine-gold.slice").exists()
    assert not group.exists() and not by_hook.parent.exists()
    assert machine.calls[-2:] == ["stop -- machine-gold.slice", "daemon-reload"]
    assert machine.run(GONE) == []


def test_a_removal_that_was_killed_is_finished_by_the_next(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.run(GOLD)
    machine.slice("gold")
    [plan] = machine.plans(GONE)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "unlink", killed)
        KIND.apply(None, plan)
    machine.run(GONE)
    assert not machine.unit("machine-gold.slice").exists()


def test_a_slice_into_which_a_vm_came_meanwhile_is_not_stopped(machine: Machine) -> None:
    machine.run(GOLD)
    group = machine.slice("gold")
    [plan] = machine.plans(GONE)
    (group / "cgroup.events").write_text("populated 1\n")
    with pytest.raises(FleetError, match="is in use by now"):
        KIND.apply(None, plan)
    assert machine.unit("machine-gold.slice").exists() and "stop" not in " ".join(machine.calls)


# ---- what is refused


def test_a_pool_that_is_used_stays_and_says_by_whom(machine: Machine) -> None:
    machine.run(WIDE, INNER)
    machine.vm("web", pool="gold/my-pool")
    machine.vm("db", runs_in="gold")
    refusal = machine.refusal(GONE)
    assert "is used by db, resource_pool/gold/my-pool, web" in refusal
    machine.vms.clear()
    machine.run(GONE, {**INNER, "state": "absent"})
    assert machine.world().everything("resource_pool") == {}


def test_processes_of_nobody_keep_a_pool(machine: Machine) -> None:
    machine.run(GOLD)
    machine.slice("gold", cgroup_events="populated 1\n")
    assert "processes in it which are no VM's" in machine.refusal(GONE)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ([{"name": "gold/inner"}], "has a slash"),
        ([{"name": r"my\x2dpool"}], "is not a name of letters"),
        ([{"name": ".gold"}], "is not a name of letters"),
        ([{"name": "gold", "parent": "gold"}], "cannot be its own parent"),
        ([{"name": "gold", "parent": "a/gold/b"}], "cannot be its own parent"),
        ([{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}], "is in itself: a in b in a"),
        ([{"name": "a", "parent": "b"}], "resource_pool/b is not there and not declared"),
        ([GOLD, INNER, {"name": "a", "parent": "my-pool"}], "gold/my-pool is"),
        ([{"name": "a" * 250}], "more than 255 characters"),
        (
            [{**GOLD, "cpu": {"limit": 1, "reservation": 1.001}}],
            "is 1.001, which is above cpu.limit",
        ),
        (
            [{**GOLD, "memory": {"limit": "1GiB", "reservation": "2GiB"}}],
            "above memory.limit, 1GiB",
        ),
        ([{**GOLD, "memory": {"limit": "1GiB", "low": "2GiB"}}], "above memory.limit, 1GiB"),
        ([{**GOLD, "memory": {"limit": "1000B"}}], "is no multiple of 4KiB"),
        ([{**GOLD, "cpu": {"limit": 0.0001}}], "is finer than a thousandth of a core"),
        ([{**GOLD, "cpu": {"limit": -1}}], "is no number of cores"),
        ([{**GOLD, "cpu": {"shares": "huge"}}], "is none of low, normal, high"),
        ([{**GOLD, "description": "a\nb"}], "is not one line"),
    ],
)
def test_what_cannot_be(machine: Machine, declared: list[dict[str, Any]], said: str) -> None:
    assert said in machine.refusal(*declared)


def test_a_reservation_is_checked_against_a_limit_that_is_there(machine: Machine) -> None:
    machine.run(GOLD)
    refusal = machine.refusal({"name": "gold", "memory": {"reservation": "2GiB"}})
    assert "resource_pool/gold memory.reservation: is 2GiB, which is above" in refusal


def test_a_slice_of_another_spelling(machine: Machine) -> None:
    machine.unit(r"machine-g\x6fld.slice").write_text("[Slice]\n")
    assert "escaped otherwise than systemd and libvirt do" in machine.refusal(GOLD)


def test_with_another_parent_it_is_another_pool(machine: Machine) -> None:
    machine.run(WIDE, INNER, {"name": "silver"})
    machine.vm("web", pool="gold/my-pool")
    [plan] = machine.plans({"name": "my-pool", "parent": "silver"})
    assert "made beside gold/my-pool, which stays where it is, with web in it" in plan.warnings[0]


def test_drop_ins_of_others_are_told_and_heeded(machine: Machine) -> None:
    machine.run(GOLD)
    machine.slice("gold", cpu_max="50000 100000\n", memory_max="1073741824\n")
    file = machine.root / "etc/systemd/system.control/machine-gold.slice.d/50-CPUQuota.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[Slice]\nCPUQuota=50%\n")
    [plan] = machine.plans(GOLD)
    assert not plan.changed
    assert f"cpu.limit is 0.5, which is what {file} says, whatever" in plan.warnings[0]
    assert KIND.result(plan.after)["shadowed"] == {"cpu.limit": 0.5}
    # It is what is added up, and what the hook goes by.
    assert pool_of(plan.after).cpu_limit == pool_of(plan.have).cpu_limit == 500
    assert capacity.pools(machine.held._replace(root=str(machine.root)))[0].cpu_limit == 500
    [plan] = machine.plans(GONE)
    assert [(r["field"], r["after"]) for r in results(plan.changes)][-1] == ("drop_ins", "kept")


def test_a_drop_in_that_a_former_pool_left_counts_for_one_that_comes(machine: Machine) -> None:
    file = machine.root / "etc/systemd/system.control/machine-gold.slice.d/50-MemoryMin.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[Slice]\nMemoryMin=2G\n")
    [plan] = machine.plans({"name": "gold", "memory": {"reservation": "1GiB"}})
    assert "memory.reservation is 2GiB, which is what" in plan.warnings[0]
    assert pool_of(plan.after).memory == 2 << 30


def test_a_masked_slice(machine: Machine) -> None:
    machine.unit("machine-gold.slice").symlink_to("/dev/null")
    assert "is masked" in machine.refusal(GOLD)


def test_a_machine_without_systemd(machine: Machine) -> None:
    (machine.root / "run/systemd/system").rmdir()
    assert "this machine was not booted with systemd" in machine.refusal(GOLD)
    assert machine.run(GONE) == []


def test_cgroups_of_the_first_version(machine: Machine) -> None:
    (machine.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    (machine.root / "sys/fs/cgroup/cpu").mkdir()
    refusal = machine.refusal({**GOLD, "memory": {"reservation": "1GiB", "low": "1GiB"}})
    assert refusal.count("needs cgroup v2") == 2
    assert machine.run(GOLD)


@pytest.mark.parametrize("uri", ["qemu+ssh://kvm1/system", "qemu:///system?socket=/run/a.sock"])
def test_another_machine(machine: Machine, uri: str) -> None:
    machine.uri = uri
    assert "run it there, with uri: qemu:///system" in machine.refusal(GOLD)
    assert "run it there" in machine.refusal(GONE)
    assert machine.world().everything("resource_pool") == {}


def test_what_is_missing_may_be_made_by_an_earlier_task(machine: Machine) -> None:
    [plan] = machine.plans(INNER, assume_missing=True)
    assert "the plan assumes that it will be" in plan.warnings[0]


# ---- what is promised


def test_what_is_promised_within_is_promised_by_the_parent(machine: Machine) -> None:
    refusal = machine.refusal(GOLD, INNER)
    assert "resource_pool/gold lacks 0.5 cores" in refusal
    assert "resource_pool/gold/my-pool (asked for now)" in refusal
    machine.run({**GOLD, "cpu": {"reservation": 0.5}}, INNER)
    assert "cannot be promised" in machine.refusal({"name": "gold", "cpu": {"reservation": 0.4}})


def test_more_than_the_host_has(machine: Machine) -> None:
    pool = {"name": "gold", "memory": {"reservation": "16GiB"}}
    assert "resource_pool/gold memory.reservation: 16384 MiB cannot be promised" in machine.refusal(
        pool
    )
    machine.policy = Policy(admission="warn")
    [plan] = machine.plans(pool)
    assert "cannot be promised" in plan.warnings[0]


def test_the_kernel_is_made_to_hold_it_at_once(machine: Machine) -> None:
    machine.slice("gold", cpu_weight="100\n", memory_min="0\n")
    machine.run({"name": "gold", "cpu": {"reservation": 2}})
    [command] = [one for one in machine.told if "machine-gold.slice" in one]
    assert command[-3:] == ["CPUWeight", "t", "200"]


def test_the_hook_reads_the_same_of_a_file(machine: Machine) -> None:
    machine.run(WIDE, INNER, {"name": "b", "memory": {"reservation": "8KiB", "low": "1MiB"}})
    pools = machine.world().everything("resource_pool").values()
    assert {pool_of(have) for have in pools} == set(capacity.pools(machine.held))


OF_OURS = "[X-kvm-fleet]\nName=gold\n"


@pytest.mark.parametrize(
    "text",
    [
        "[Slice]\nMemoryMin=1500M\nMemoryLow=1.5G\nMemoryMax=1g\nCPUQuota=33.33%\n" + OF_OURS,
        "[Slice]\nMemoryMin=99999999999T\nCPUQuota=9999999999999999999%\n" + OF_OURS,
        "[Slice]\nMemoryMin=infinity\nMemoryMax=50%\nCPUWeight=idle\n" + OF_OURS,
        "[Slice]\nMemoryMin=-1\nCPUQuota=many\n" + OF_OURS + "CPUReservation=many\n",
        OF_OURS + "CPUReservation=100001\nExpandable=perhaps\n",
    ],
)
def test_the_hook_reads_the_same_of_what_others_wrote(machine: Machine, text: str) -> None:
    machine.unit("machine-gold.slice").write_text(text)
    machine.unit("machine-a-.slice").write_text(text)  # a name that is none
    [have] = machine.world().everything("resource_pool").values()
    assert [pool_of(have)] == capacity.pools(machine.held)


@pytest.mark.parametrize("path", ["gold", "gold/my-pool", "_a/b.c/d-e_f", "a-/b--c"])
def test_the_hook_calls_a_slice_the_same(path: str) -> None:
    assert unit_of(path) == slices.unit_of_pool(path)
    assert path_of(unit_of(path)) == slices.pool_of_slice(unit_of(path)) == path
    assert f"/{cgroup_of(path)}" == slices.slices_of_pool(path)

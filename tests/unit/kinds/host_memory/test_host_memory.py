"""Huge pages and KSM of a machine: declared, planned, made and kept, on a kernel of the test's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.run.on_this_machine import Run, converge
from support.fake_kernel import GIB, GRUB, KSM, MIB, OF_NODE, TMPFILES, FakeMachine

ALL_2M = "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
Args = dict[str, Any]


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def run(machine: FakeMachine, check: bool = False, **params: Any) -> Args:
    done = Run(machine)
    converge({"ksm": None, "huge_pages": None, **params}, check, done)
    return done.outcome


def pages(size: str, count: int, **more: Any) -> Args:
    return {"size": size, "count": count, "node": None, "reserved_at": "run_time", **more}


def rows(outcome: Args) -> list[tuple[Any, ...]]:
    assert {row["resource"] for row in outcome["plan"]} <= {"host_memory"}
    return [(row["field"], row["before"], row["after"], row["class"]) for row in outcome["plan"]]


def converged(machine: FakeMachine, **params: Any) -> Args:
    """As it has to be run: check mode says the same and touches nothing; then nothing is left."""
    before = files_of(machine)
    predicted = run(machine, check=True, **params)
    assert files_of(machine) == before
    done = run(machine, **params)
    assert predicted == done
    again = run(machine, **params)
    assert (again["plan"], again["changed"]) == ([], False)
    return done


def files_of(machine: FakeMachine) -> dict[str, str]:
    return {str(file): file.read_text() for file in machine.root.rglob("*") if file.is_file()}


def refused(machine: FakeMachine, **params: Any) -> list[str]:
    """The mistakes of a declaration, in check mode as in a run, and that nothing was changed."""
    before = files_of(machine)
    said = []
    for check in (True, False):
        with pytest.raises(FleetErrors) as errors:
            run(machine, check, **params)
        said.append([str(error) for error in errors.value.errors])
    assert said[0] == said[1]
    assert files_of(machine) == before
    return said[0]


# ---- KSM


def test_ksm_is_set_now_and_at_each_boot(machine: FakeMachine) -> None:
    ksm = {"run": "merge", "pages_to_scan": 200, "use_zero_pages": True, "sleep_ms": 20}
    done = converged(machine, ksm=ksm)
    assert rows(done) == [
        ("ksm.pages_to_scan", 100, 200, "live"),
        ("ksm.sleep_ms", None, 20, "stored"),
        ("ksm.use_zero_pages", False, True, "live"),
        ("ksm.run", "off", "merge", "live"),
    ]
    assert done["summary"] == "plan: 4 changes (1 stored, 3 live)"
    assert machine.number(f"{KSM}/run") == 1
    assert done["host_memory"]["ksm"] == {**ksm, "merge_across_nodes": True}
    assert machine.text(TMPFILES).splitlines()[1:] == [
        "w /sys/kernel/mm/ksm/pages_to_scan - - - - 200",
        "w /sys/kernel/mm/ksm/sleep_millisecs - - - - 20",
        "w /sys/kernel/mm/ksm/use_zero_pages - - - - 1",
        "w /sys/kernel/mm/ksm/run - - - - 1",
    ]


def test_what_is_not_declared_stays_and_so_do_lines_of_others(machine: FakeMachine) -> None:
    converged(machine, ksm={"run": "merge", "sleep_ms": 50})
    machine.put(TMPFILES, machine.text(TMPFILES) + "# mine\nd /srv/mine\n")
    before = machine.text(TMPFILES)
    converged(machine, ksm={"run": "off"})
    assert machine.text(TMPFILES) == before.replace("run - - - - 1", "run - - - - 0")
    assert machine.number(f"{KSM}/sleep_millisecs") == 50
    assert rows(run(machine, ksm={"pages_to_scan": None})) == []


def test_what_others_set_meanwhile_is_put_right(machine: FakeMachine) -> None:
    converged(machine, ksm={"run": "merge"})
    machine.write_number(f"{KSM}/run", 0)
    assert rows(converged(machine, ksm={"run": "merge"})) == [("ksm.run", "off", "merge", "live")]


def test_to_merge_across_nodes_or_not_all_is_unmerged_first(machine: FakeMachine) -> None:
    machine.write_number(f"{KSM}/run", 1)
    machine.merge(1000)
    done = run(machine, check=True, ksm={"merge_across_nodes": False})
    assert done["plan"][0]["note"] == "all that is merged is unmerged for it first"
    converged(machine, ksm={"merge_across_nodes": False})
    assert machine.number(f"{KSM}/merge_across_nodes") == 0
    assert machine.number(f"{KSM}/run") == 1, "it merges again, as it did"


def test_unmerging_needs_the_memory_that_it_takes(machine: FakeMachine) -> None:
    machine.write_number(f"{KSM}/run", 1)
    machine.merge(GIB // 4096)
    machine.memory(16 * GIB, 512 * MIB)
    assert refused(machine, ksm={"run": "unmerge"}) == [
        "host_memory ksm.run: the pages that are merged take 1024MiB more once they are unmerged, "
        "and 512MiB are available; stop VMs first"
    ]
    assert "ksm.merge_across_nodes" in refused(machine, ksm={"merge_across_nodes": False})[0]


def test_a_kernel_that_chooses_itself_takes_no_number(machine: FakeMachine) -> None:
    machine.put(f"{KSM}/advisor_mode", "none [scan-time]\n")
    assert "advisor_mode is not none" in refused(machine, ksm={"pages_to_scan": 200})[0]
    converged(machine, ksm={"pages_to_scan": 100, "run": "merge"})


def test_a_kernel_without_ksm_says_so(machine: FakeMachine) -> None:
    for file in (machine.root / KSM).iterdir():
        file.unlink()
    assert refused(machine, ksm={"run": "off"}) == [
        "host_memory ksm.run: this kernel has no /sys/kernel/mm/ksm/run; leave the option out"
    ]


# ---- huge pages at run time


def test_huge_pages_are_reserved_now_and_at_each_boot(machine: FakeMachine) -> None:
    done = converged(machine, huge_pages=[pages("2MiB", 512)])
    assert rows(done) == [("huge_pages.2MiB", 0, 512, "live")]
    assert done["host_memory"]["huge_pages"] == [
        {"size": "2MiB", "count": 512},
        {"size": "1GiB", "count": 0},
    ]
    assert machine.text(TMPFILES).endswith(f"w /{ALL_2M} - - - - 512\n")
    converged(machine, huge_pages=[pages("2MiB", 0)])
    assert machine.number(ALL_2M) == 0


def test_by_node_and_back_to_all_together(machine: FakeMachine) -> None:
    by_node = [pages("2MiB", 10, node=0), pages("2MiB", 20, node=1)]
    done = converged(machine, huge_pages=by_node)
    assert rows(done) == [
        ("huge_pages.2MiB.node0", 0, 10, "live"),
        ("huge_pages.2MiB.node1", 0, 20, "live"),
    ]
    assert done["host_memory"]["huge_pages"][0] == {"size": "2MiB", "count": 30}
    # Both kinds of lines would undo each other at boot.
    done = converged(machine, huge_pages=[pages("2MiB", 30)])
    assert rows(done) == [
        ("huge_pages.2MiB", None, 30, "stored"),
        ("huge_pages.2MiB.node0", 10, None, "stored"),
        ("huge_pages.2MiB.node1", 20, None, "stored"),
    ]
    assert machine.text(TMPFILES).splitlines()[1:] == [f"w /{ALL_2M} - - - - 30"]


def test_of_a_node_the_others_stay(machine: FakeMachine) -> None:
    converged(machine, huge_pages=[pages("2MiB", 10, node=0), pages("2MiB", 20, node=1)])
    converged(machine, huge_pages=[pages("2MiB", 5, node=0)])
    assert machine.number(f"{OF_NODE.format(node=1, kib=2048)}/nr_hugepages") == 20
    assert "node1" in machine.text(TMPFILES)


def test_fewer_pages_than_wanted_are_an_error_and_put_back(machine: FakeMachine) -> None:
    converged(machine, huge_pages=[pages("2MiB", 100)])
    before = machine.text(TMPFILES)
    machine.most[2048] = 625
    with pytest.raises(FleetError) as error:
        run(machine, huge_pages=[pages("2MiB", 2000)])
    assert str(error.value).startswith(
        "host_memory huge_pages.2MiB: 2000 pages were wanted, and the kernel found memory in one "
        "piece for 625; there are 100 again, as before."
    )
    assert (machine.number(ALL_2M), machine.text(TMPFILES)) == (100, before)


def test_pages_in_use_are_never_taken(machine: FakeMachine) -> None:
    converged(machine, huge_pages=[pages("2MiB", 100)])
    machine.use(2048, 64)
    done = converged(machine, huge_pages=[pages("2MiB", 10)])
    assert rows(done) == [("huge_pages.2MiB", 100, 64, "live")]
    [warning] = done["warnings"]
    assert warning.startswith("host_memory: huge_pages.2MiB: 64 of 100 are in use, and those above")
    machine.use(2048, -64)
    done = converged(machine, huge_pages=[pages("2MiB", 10)])
    assert rows(done) == [("huge_pages.2MiB", 64, 10, "live")]


def test_what_a_vm_had_made_for_its_start_is_not_undone_while_it_runs(machine: FakeMachine) -> None:
    converged(machine, huge_pages=[pages("2MiB", 10)])
    machine.write_number(ALL_2M, 64)
    machine.use(2048, 64)
    done = converged(machine, huge_pages=[pages("2MiB", 10)])
    assert rows(done) == []
    assert "a VM has more made for its start than are free" in done["warnings"][0]
    done = converged(machine, huge_pages=[pages("2MiB", 20)])  # for the next boot
    assert rows(done) == [("huge_pages.2MiB", 10, 20, "stored")]
    assert machine.number(ALL_2M) == 64


def test_pages_that_came_in_use_since_the_plan_are_not_taken_either(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    converged(machine, huge_pages=[pages("2MiB", 100)])
    write = FakeMachine.write_number

    def used_first(self: FakeMachine, file: str, value: int) -> None:
        monkeypatch.setattr(FakeMachine, "write_number", write)
        machine.use(2048, 64)
        write(self, file, value)

    monkeypatch.setattr(FakeMachine, "write_number", used_first)
    with pytest.raises(
        FleetError, match="10 pages were wanted, and programs use 64; there are 100"
    ):
        run(machine, huge_pages=[pages("2MiB", 10)])
    assert machine.number(ALL_2M) == 100


def test_pages_that_go_once_they_are_free_are_none_that_last(machine: FakeMachine) -> None:
    """Somebody else asked for 10 while 64 were in use."""
    converged(machine, huge_pages=[pages("2MiB", 64)])
    machine.use(2048, 64)
    machine.write_number(ALL_2M, 10)
    done = converged(machine, huge_pages=[pages("2MiB", 64)])
    assert rows(done) == [("huge_pages.2MiB", 10, 64, "live")]


def test_memory_that_is_not_there_is_refused(machine: FakeMachine) -> None:
    machine.memory(4 * GIB, GIB)
    (said,) = refused(machine, huge_pages=[pages("2MiB", 512)])
    assert said.startswith("host_memory huge_pages.2MiB: the huge pages take 1024MiB more than now")
    assert "409MiB stay with the host" in said
    converged(machine, huge_pages=[pages("2MiB", 300)])
    machine.memory(64 * GIB, 60 * GIB)
    (said,) = refused(machine, huge_pages=[pages("1GiB", 7, node=1)])
    assert said.startswith("host_memory huge_pages.1GiB.node1: ") and "of node 1 can be had" in said


def test_memory_that_is_promised_to_a_pool_is_not_put_into_huge_pages(machine: FakeMachine) -> None:
    unit = "[Slice]\nMemoryMin=14G\n[X-kvm-fleet]\nName=gold\n"
    machine.put("etc/systemd/system/machine-gold.slice", unit)
    (said,) = refused(machine, huge_pages=[pages("2MiB", 1024)])
    assert said.startswith("host_memory huge_pages.2MiB: VMs that run and resource pools were")
    assert "promised 820MiB more of the host's memory" in said
    converged(machine, huge_pages=[pages("2MiB", 100)])
    machine.put("etc/kvm-fleet/admission.json", '{"admission": "warn"}')
    converged(machine, huge_pages=[pages("2MiB", 1024)])


def test_what_one_size_gives_back_another_may_take(machine: FakeMachine) -> None:
    converged(machine, huge_pages=[pages("2MiB", 2048)])
    machine.memory(16 * GIB, 2 * GIB)
    converged(machine, huge_pages=[pages("1GiB", 4), pages("2MiB", 0)])


# ---- huge pages at boot


def test_pages_of_boot_are_kept_for_grub_and_wait(machine: FakeMachine) -> None:
    wanted = [pages("1GiB", 4, reserved_at="boot")]
    done = converged(machine, huge_pages=wanted)
    assert rows(done) == [("huge_pages.1GiB.at_boot", None, 4, "restart")]
    assert [row["field"] for row in done["pending_restart"]] == ["huge_pages.1GiB.at_boot"]
    assert machine.grub_updates == 1
    line = 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX hugepagesz=1G hugepages=4"\n'
    assert machine.text(GRUB).endswith(line)
    assert [row["field"] for row in run(machine, huge_pages=wanted)["pending_restart"]]
    machine.boot("quiet hugepagesz=1G hugepages=4")
    booted = run(machine, huge_pages=wanted)
    assert booted["pending_restart"] == []
    assert booted["warnings"] == [
        "host_memory: huge_pages.1GiB.at_boot: 4 were reserved at boot, and 0 are there"
    ]


def test_pages_of_boot_by_node_beside_those_of_another_size(machine: FakeMachine) -> None:
    converged(machine, huge_pages=[pages("2MiB", 64, reserved_at="boot")])
    by_node = {"reserved_at": "boot"}
    wanted = [pages("1GiB", 1, node=0, **by_node), pages("1GiB", 2, node=1, **by_node)]
    converged(machine, huge_pages=wanted)
    line = "hugepagesz=2M hugepages=64 hugepagesz=1G hugepages=0:1,1:2"
    assert line in machine.text(GRUB)
    done = converged(machine, huge_pages=[pages("1GiB", 0, node=0, **by_node)])
    assert rows(done) == [("huge_pages.1GiB.node0.at_boot", 1, 0, "stored")]
    assert "hugepages=0:0,1:2" in machine.text(GRUB)


def test_from_boot_to_run_time_and_back(machine: FakeMachine) -> None:
    converged(machine, huge_pages=[pages("2MiB", 64)])
    converged(machine, huge_pages=[pages("2MiB", 128, reserved_at="boot")])
    assert "hugepages" not in machine.text(TMPFILES), "it would take some back at boot"
    done = converged(machine, huge_pages=[pages("2MiB", 64)])
    assert rows(done) == [
        ("huge_pages.2MiB", None, 64, "stored"),
        ("huge_pages.2MiB.at_boot", 128, None, "stored"),
    ]
    assert "hugepages=" not in machine.text(GRUB)


def test_what_grub_does_not_take_up_is_put_back(machine: FakeMachine) -> None:
    machine.grub_says = "cannot find a device for /"
    with pytest.raises(FleetError, match=r"update-grub: cannot find a device for /; .* as before"):
        run(machine, huge_pages=[pages("1GiB", 4, reserved_at="boot")])
    assert machine.text(GRUB) == ""


def test_without_grub_it_says_what_the_command_line_needs(machine: FakeMachine) -> None:
    (machine.root / "boot/grub/grub.cfg").unlink()
    (said,) = refused(machine, huge_pages=[pages("1GiB", 4, reserved_at="boot")])
    assert "'hugepagesz=1G hugepages=4'" in said


def test_others_who_reserve_at_boot_are_named(machine: FakeMachine) -> None:
    machine.put("etc/default/grub", '# hugepages=1\nGRUB_CMDLINE_LINUX="hugepages=8"\n')
    (said,) = refused(machine, huge_pages=[pages("1GiB", 4, reserved_at="boot")])
    assert "/etc/default/grub reserves huge pages already" in said


def test_a_host_that_would_not_boot_is_refused(machine: FakeMachine) -> None:
    (said,) = refused(machine, huge_pages=[pages("1GiB", 15, reserved_at="boot")])
    assert "15360MiB of huge pages are wanted of 16384MiB" in said
    assert "declare 14745MiB or less" in said


# ---- mistakes and warnings


def test_all_mistakes_are_told_at_once(machine: FakeMachine) -> None:
    wanted = [pages("2MB", 1), pages("2MiB", -1), pages("1GiB", 1), pages("1GiB", 1, node=0)]
    said = refused(machine, huge_pages=wanted, ksm={"sleep_ms": -5})
    assert [error.split(":")[0] for error in said] == [
        "host_memory huge_pages.size",
        "host_memory huge_pages.2MiB",
        "host_memory huge_pages.1GiB",
        "host_memory ksm.sleep_ms",
    ]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ([pages("4MiB", 1)], "no huge pages of that size; it has 2MiB, 1GiB"),
        ([pages("2MiB", 1, node=7)], "there is no NUMA node 7; there are: 0, 1"),
        ([pages("2MiB", 1), pages("2MiB", 2)], "declared 2 times"),
        ([pages("2MiB", 1, node=0), pages("2MiB", 2, node=1, reserved_at="boot")], "choose one"),
    ],
)
def test_mistakes(machine: FakeMachine, wanted: list[Args], says: str) -> None:
    (said,) = refused(machine, huge_pages=wanted)
    assert says in said


def test_who_else_sets_it_is_told(machine: FakeMachine) -> None:
    (machine.root / "run/systemd/system").rmdir()
    machine.put("etc/sysctl.d/90-mine.conf", "vm.nr_hugepages = 7\n")
    machine.put("usr/lib/tmpfiles.d/ksm.conf", "w /sys/kernel/mm/ksm/run - - - - 0\n")
    machine.put("usr/lib/tmpfiles.d/covered.conf", "w /sys/kernel/mm/ksm/run - - - - 0\n")
    machine.put("etc/tmpfiles.d/covered.conf", "")
    machine.put("etc/systemd/system/multi-user.target.wants/ksmtuned.service", "")
    done = run(machine, huge_pages=[pages("2MiB", 8)], ksm={"run": "merge"})
    assert done["warnings"] == [
        "host_memory: systemd does not run here: nothing will set this at the next boot",
        "host_memory: ksmtuned.service is enabled, which sets KSM by itself; disable it",
        "host_memory: ksm.run: /usr/lib/tmpfiles.d/ksm.conf sets it at boot, too; "
        "take it out of there",
        "host_memory: huge_pages.2MiB: /etc/sysctl.d/90-mine.conf sets it at boot, too; "
        "take it out of there",
    ]


def test_the_diff_is_that_of_other_modules(machine: FakeMachine) -> None:
    done = run(machine, check=True, huge_pages=[pages("2MiB", 8)], ksm={"run": "merge"})
    assert done["diff"][0]["before_header"] == "host_memory (before)"
    assert done["diff"][0]["after"] == (
        'huge_pages:\n  "2MiB": 8  # live\nksm:\n  run: merge  # live\n'
    )
    assert done["diff"][1]["prepared"] == "plan: 2 changes (2 live)\n"

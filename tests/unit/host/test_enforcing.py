"""What the kernel is to hold of the promises to VMs: on a host of made-up files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import promises
from ansible_collections.kvm.fleet.plugins.module_utils.host import cgroups, enforcing, noted
from ansible_collections.kvm.fleet.plugins.module_utils.host.capacity import policy, pools
from support.made_up_host import GIB, MIB, UUID, MadeUpHost, vm


@pytest.fixture
def host(tmp_path: Path) -> MadeUpHost:
    return MadeUpHost(tmp_path)


def run(
    host: MadeUpHost, one: promises.Vm, weight: int = 100, slices: str = "/machine.slice"
) -> str:
    """Have a VM run and be noted, and what the kernel holds be settled."""
    scope = host.start(one.name, slices, weight)
    noted.record(host.places, one, scope)
    assert enforcing.settle(host.places) == []
    return scope


def least(host: MadeUpHost, *paths: str) -> list[int]:
    return [int(host.value(path, "memory.min")) for path in paths]


# ---- what is held


def test_reserved_memory_is_held_by_the_scope_and_by_all_around_it(host: MadeUpHost) -> None:
    pool = "/machine.slice/machine-gold.slice"
    web, db = vm("web", 1, reserved=GIB), vm("db", 2, reserved=GIB, pool="gold")
    one, other = run(host, web), run(host, db, slices=pool)
    each = GIB + promises.overhead(web)
    assert least(host, one, other) == [each, each]
    assert least(host, pool, "/machine.slice") == [each, 2 * each]


def test_a_slice_that_nobody_declared_needs_the_sum_too(host: MadeUpHost) -> None:
    scope = run(host, vm("web", reserved=GIB), slices="/gold.slice/gold-in.slice")
    kept = least(host, scope)
    assert least(host, "/gold.slice", "/gold.slice/gold-in.slice") == kept * 2
    assert least(host, "/machine.slice") == [0]
    host.stop(scope)
    assert enforcing.settle(host.places) == []
    assert least(host, "/gold.slice", "/gold.slice/gold-in.slice") == [0, 0]


def test_nothing_is_touched_without_a_reservation(host: MadeUpHost) -> None:
    run(host, vm("web", 1))
    run(host, vm("db", 2, shares=300), weight=300)
    assert host.calls == []


def test_what_is_held_already_is_not_set_again(host: MadeUpHost) -> None:
    run(host, vm("web", reserved=GIB, cpu=1000))
    host.calls.clear()
    assert enforcing.settle(host.places) == []
    assert host.calls == []


def test_processor_time_is_weighed_among_siblings_and_against_the_host(host: MadeUpHost) -> None:
    one, other = run(host, vm("a", 1, cpu=1500)), run(host, vm("b", 2, cpu=500))
    weights = [int(host.value(path, "cpu.weight")) for path in (one, other)]
    assert weights[0] == 3 * weights[1]
    assert int(host.value("/machine.slice", "cpu.weight")) > 1000


def test_a_weight_that_somebody_gave_a_vm_without_reservation_stays_and_counts(
    host: MadeUpHost,
) -> None:
    busy = run(host, vm("busy", 1))
    host.put(busy, "cpu.weight", 5000)
    reserved = run(host, vm("web", 2, cpu=1000))
    assert host.value(busy, "cpu.weight") == "5000"
    # 1 core of the 3.9 that there are, so more than a quarter of all weight.
    assert int(host.value(reserved, "cpu.weight")) > 1666


def test_dedicated_processors_are_kept_from_others_and_given_back(host: MadeUpHost) -> None:
    others = run(host, vm("others", 1))
    own = run(host, vm("own", 2, vcpus=2, dedicated=True, cpus=(2, 3)))
    assert host.value(others, "cpuset.cpus") == "0,1"
    host.stop(own)
    assert enforcing.settle(host.places) == []
    assert host.value(others, "cpuset.cpus") == "0,1,2,3"


def test_what_is_no_longer_promised_is_taken_back(host: MadeUpHost) -> None:
    web = vm("web", reserved=GIB, cpu=1000)
    scope = run(host, web)
    noted.record(host.places, web._replace(reserved=0, cpu=0), scope)
    assert enforcing.settle(host.places) == []
    assert (least(host, scope, "/machine.slice"), host.value(scope, "cpu.weight")) == (
        [0, 0],
        "100",
    )
    assert host.value("/machine.slice", "cpu.weight") == "100"


def test_a_hook_that_goes_leaves_nothing_behind(host: MadeUpHost) -> None:
    scope = run(host, vm("web", reserved=GIB, cpu=1000))
    enforcing.let_go(host.places)
    assert least(host, scope, "/machine.slice") == [0, 0]
    weights = [host.value(path, "cpu.weight") for path in (scope, "/machine.slice")]
    assert weights == ["100", "100"]


def test_a_vm_that_is_gone_holds_nothing(host: MadeUpHost) -> None:
    web = vm("web", 1, reserved=GIB)
    run(host, vm("db", 2, reserved=GIB))
    host.stop(run(host, web))
    assert enforcing.settle(host.places) == []
    assert least(host, "/machine.slice") == [GIB + promises.overhead(web)]
    assert [one.vm.name for one in noted.records(host.places)] == ["db"]


def test_more_that_others_set_is_left_alone(host: MadeUpHost) -> None:
    host.put("/machine.slice", "memory.min", 6 * GIB)
    web = vm("web", reserved=GIB)
    scope = run(host, web)
    host.stop(scope)
    assert enforcing.settle(host.places) == []
    assert least(host, "/machine.slice") == [6 * GIB]


def test_a_pool_keeps_its_own_and_has_the_sum_of_what_is_in_it(host: MadeUpHost) -> None:
    unit = "[Slice]\nMemoryMin=1500M\nCPUWeight=300\n[X-kvm-fleet]\nExpandable=yes\n"
    host.write("/etc/systemd/system/machine-gold.slice", unit)
    pool = "/machine.slice/machine-gold.slice"
    host.group(pool, 300)
    host.put(pool, "memory.min", 1500 * MIB)
    web = run(host, vm("web", 1, reserved=GIB, pool="gold"), slices=pool)
    assert least(host, pool, "/machine.slice") == [1500 * MIB] * 2
    db = run(host, vm("db", 2, reserved=GIB, pool="gold"), slices=pool)
    both = sum(least(host, web, db))
    assert least(host, pool, "/machine.slice") == [both, both]
    host.stop(db)
    assert enforcing.settle(host.places) == []
    assert least(host, pool, "/machine.slice") == [1500 * MIB] * 2
    assert host.value(pool, "cpu.weight") == "300"


def test_what_drop_ins_say_of_a_pool_counts_more_than_its_file(host: MadeUpHost) -> None:
    unit = "[Slice]\nMemoryMin=1G\nCPUWeight=300\nCPUQuota=200%\n[X-kvm-fleet]\nExpandable=yes\n"
    etc, run_ = "/etc/systemd/system", "/run/systemd/system.control/machine-gold.slice.d"
    host.write(f"{etc}/machine-gold.slice", unit)
    host.write(f"{etc}.control/machine-gold.slice.d/50-MemoryMin.conf", "[Slice]\nMemoryMin=3G\n")
    host.write(f"{etc}/machine-.slice.d/90-no.conf", "[Slice]\nCPUQuota=\nMemoryMax=6G\n")
    host.write(f"{etc}/machine-.slice.d/60.conf", "[Slice]\nMemoryMin=2G\n[X-kvm-fleet]\nName=no\n")
    host.write(f"{etc}/slice.d/60.conf", "[Slice]\nMemoryMin=7G\n")
    host.write(f"{run_}/50-CPUWeight.conf", "[Slice]\nCPUWeight=7000\n")  # of the hook's own
    host.write(f"{run_}/50-MemoryLow.conf", "[Slice]\nMemoryLow=1G\n")
    host.write(f"{run_}/50-MemoryHigh", "[Slice]\nMemoryLow=9G\n")
    [pool] = pools(host.places)
    assert pool == promises.Pool(
        "gold", shares=300, memory=2 * GIB, memory_low=GIB, memory_limit=6 * GIB, expandable=True
    )
    # Of several drop-ins of one name the first counts, wherever it is.
    host.write(f"{etc}.control/machine-gold.slice.d/60.conf", "[Slice]\n")
    assert pools(host.places)[0].memory == 3 * GIB


def test_what_another_version_noted_of_what_it_set_is_nothing(host: MadeUpHost) -> None:
    host.write(
        "/run/kvm-fleet/set", "\nnonsense\n/machine.slice weight high\n/machine.slice io 1\n"
    )
    scope = run(host, vm("web", reserved=GIB))
    assert least(host, scope)[0] > GIB


# ---- what is not held is told


def test_success_of_systemd_is_not_believed(host: MadeUpHost) -> None:
    host.refuses = "MemoryMin"
    noted.record(host.places, vm("web", reserved=GIB), host.start("web"))
    kept = GIB + promises.overhead(vm("web"))
    assert enforcing.settle(host.places) == [
        f"machine.slice: memory.min is 0, promised is {kept}",
        f"vm/web: memory.min is 0, promised is {kept}",
    ]


def test_what_systemd_says_is_told(host: MadeUpHost) -> None:
    scope = host.start("web")
    noted.record(host.places, vm("web", reserved=GIB), scope)
    places = host.places._replace(run=lambda _command: "Call failed: Access denied")
    assert [one.partition(" (")[2] for one in enforcing.settle(places)] == [
        "Call failed: Access denied)"
    ] * 2


def test_promises_are_held_by_the_usual_policy_where_it_is_broken(host: MadeUpHost) -> None:
    host.write("/etc/kvm-fleet/admission.json", '{"admission": "sometimes"}')
    scope = host.start("web")
    noted.record(host.places, vm("web", reserved=GIB), scope)
    assert enforcing.settle(host.places) == []
    assert least(host, scope)[0] > GIB


def test_names_of_units_are_no_patterns(host: MadeUpHost) -> None:
    run(host, vm("my-vm", reserved=GIB))
    assert {call[0] for call in host.calls} == {"busctl"}
    assert any("machine-qemu\\x2d102\\x2dmy-vm.scope" in call for call in host.calls)


def test_without_systemd_the_files_are_written(host: MadeUpHost) -> None:
    (host.root / "run/systemd/system").rmdir()
    host.group("/machine")
    scope = run(host, vm("web", reserved=GIB, cpu=500), slices="/machine")
    assert least(host, "/machine", scope)[0] > GIB
    assert host.calls == []


def test_the_first_version_of_cgroups_holds_nothing(host: MadeUpHost) -> None:
    (host.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    noted.record(host.places, vm("web", reserved=GIB), host.start("web"))
    assert enforcing.settle(host.places) == []
    assert host.calls == []


def test_the_state_of_a_vm_tells_what_it_lacks(host: MadeUpHost) -> None:
    web = vm("web", reserved=GIB)
    scope = run(host, web)
    kept = GIB + promises.overhead(web)
    found = enforcing.states(host.places)["web"]
    assert (found["scope"], found["memory_min"], found["lacks"]) == (scope, kept, [])
    assert found["ancestors"] == {"machine.slice": kept}
    assert promises.Vm(**found["noted"]) == web
    host.put("/machine.slice", "memory.min", 0)
    assert enforcing.states(host.places)["web"]["lacks"] == [
        f"machine.slice: memory.min is 0, promised is {kept}"
    ]


# ---- admission


def admitted(host: MadeUpHost, *vms: promises.Vm) -> list[bool]:
    starter = noted.process_mark(host.places, host.daemon)
    return [not enforcing.admit(host.places, one, starter) for one in vms]


def test_no_start_breaks_a_promise(host: MadeUpHost) -> None:
    small = [vm(f"vm{number}", number, memory=2 * GIB, reserved=2 * GIB) for number in range(4)]
    assert admitted(host, *small) == [True, True, True, False]
    assert [one.vm.name for one in noted.records(host.places)] == ["vm0", "vm1", "vm2"]
    # One that ends makes room.
    noted.forget(host.places, small[0].uuid)
    assert admitted(host, small[3]) == [True]


def test_the_refusal_is_the_sum(host: MadeUpHost) -> None:
    admitted(host, vm("web", 1, memory=6 * GIB, reserved=6 * GIB))
    said = enforcing.admit(host.places, vm("db", 2, memory=4 * GIB, reserved=4 * GIB))
    assert "vm/web" in said[0]
    assert len(said[0].splitlines()) > 3


@pytest.mark.parametrize("admission", ["warn", "off"])
def test_a_policy_that_is_not_strict_admits(host: MadeUpHost, admission: str) -> None:
    host.write("/etc/kvm-fleet/admission.json", f'{{"admission": "{admission}"}}')
    big = vm("big", memory=9 * GIB, reserved=9 * GIB)
    assert enforcing.admit(host.places, big, noted.process_mark(host.places, host.daemon)) == []
    assert [one.vm for one in noted.records(host.places)] == [big]
    told = noted.faults(host.places)
    assert [("vm/big" in one, "\n" in one) for one in told] == [(True, False)] * (
        admission == "warn"
    )


def test_a_start_that_a_dead_daemon_began_holds_nothing(host: MadeUpHost) -> None:
    assert admitted(host, vm("web", reserved=GIB)) == [True]
    assert len(noted.records(host.places)) == 1
    (host.root / f"proc/{host.daemon}/stat").unlink()
    assert noted.records(host.places) == []


def test_records_are_read_as_they_were_written(host: MadeUpHost) -> None:
    one = vm("ein VM é", cpu=1500, pool="gold/in ner", dedicated=True, cpus=(1, 3), reserved=5)
    noted.record(host.places, one, host.start("web"))
    assert noted.records(host.places)[0].vm == one
    host.write("/run/kvm-fleet/vms/nonsense", "name\n")
    assert len(noted.records(host.places)) == 1


# ---- faults, policy, cgroups


def test_faults_are_told_once(host: MadeUpHost) -> None:
    noted.fault(host.places, "one\n  two\n")
    told = noted.faults(host.places)
    noted.fault(host.places, "three")
    noted.clear_faults(host.places, told)
    assert [one[20:] for one in [*told, *noted.faults(host.places)]] == ["one; two", "three"]


def test_the_policy_says_what_is_kept(host: MadeUpHost) -> None:
    assert policy(host.places) == promises.Policy()
    text = (
        '{"host_reserve": {"cpu": 0.5, "memory": 1024}, "vcpu_per_core": 4, "memory_ratio": null}'
    )
    host.write("/etc/kvm-fleet/admission.json", text)
    assert policy(host.places) == promises.Policy("strict", 500, 1024, 4.0, None)
    host.write("/etc/kvm-fleet/admission.json", '{"host_reserve": {"memory": "1.5GiB"}}')
    assert policy(host.places).reserve_memory == 3 * GIB // 2


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"reserve": 1}',
        '{"vcpu_per_core": "many"}',
        '{"host_reserve": {"memory": "2x"}}',
    ],
)
def test_nonsense_in_the_policy_is_told_with_its_place(host: MadeUpHost, text: str) -> None:
    host.write("/etc/kvm-fleet/admission.json", text)
    with pytest.raises(ValueError, match=r"admission\.json: "):
        policy(host.places)


def test_the_scope_is_found_by_the_process(host: MadeUpHost) -> None:
    scope = host.start("web")
    assert cgroups.scope_of_vm(host.places, "web") == scope
    host.write("/proc/7/cgroup", "0::/machine/qemu-1-web.libvirt-qemu/emulator\n")
    assert cgroups.found_scope(host.places, 7) == "/machine/qemu-1-web.libvirt-qemu"
    host.write("/proc/7/cgroup", "0::/user.slice\n")
    assert cgroups.found_scope(host.places, 7) == cgroups.found_scope(host.places, 8) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"host_reserve": {"cpu": 1e999}}', "host_reserve.cpu: inf"),
        ('{"host_reserve": {"cpu": -3}}', "host_reserve.cpu: -3"),
        ('{"host_reserve": {"cpus": 2}}', "host_reserve: unknown: cpus"),
        ('{"host_reserve": {"memory": "%sG"}}' % ("9" * 400), "host_reserve.memory"),
        ('{"host_reserve": {"cpu": 1%s}}' % ("0" * 400), "host_reserve.cpu: 1000"),
        ('{"host_reserve": 5}', "host_reserve: 5 is no object"),
        ('{"vcpu_per_core": NaN}', "vcpu_per_core: nan"),
        ('{"vcpu_per_core": true}', "vcpu_per_core: True"),
        ('{"memory_ratio": 0}', "memory_ratio: 0"),
        ('{"memory_ratio": -1}', "memory_ratio: -1"),
        ("null", "None is no object"),
        ("[" * 100000, "recursion"),
    ],
)
def test_a_policy_that_makes_no_sense_is_told(host: MadeUpHost, text: str, told: str) -> None:
    """Not taken by half, where the host would promise more than it has, or nothing."""
    host.write("/etc/kvm-fleet/admission.json", text)
    with pytest.raises(ValueError, match=rf"admission\.json: .*{re.escape(told)}"):
        policy(host.places)


@pytest.mark.parametrize("name", ["a\u2028b c", "a\x85b", "a\u2029uuid x"])
def test_a_note_keeps_any_name(host: MadeUpHost, name: str) -> None:
    """libvirt has names of all but a line feed, and Unicode has more ends of lines."""
    one = promises.Vm(name, UUID.format(1), cpu=1500)
    noted.record(host.places, one, "/machine.slice")
    assert [found.vm for found in noted.records(host.places)] == [one]

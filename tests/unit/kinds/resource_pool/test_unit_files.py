"""Unit files of slices: what holds of them, and that only what is meant becomes another."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.fields import edit, values_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool.naming import (
    cgroup_of,
    path_of,
    unit_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool.table import (
    MANAGED,
    ROWS,
)
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.resource_pool.unit import (
    text_of,
    tree_of,
)

OF_OTHERS = """\
; the pool of the night
[Unit]
Description=Batch  \\
  # not too much
  at night
Wants = a.service
Wants=b.service

[Slice]
CPUWeight=20
# twice, so that the second holds
CPUWeight = 30
MemoryMax=1G
TasksMax=100

# said of the install
[Install]
WantedBy=multi-user.target"""


def edited(text: str, **values: object) -> str:
    tree = tree_of(text, MANAGED)
    edit(ROWS, tree, {tuple(name.split("__")): value for name, value in values.items()})
    return text_of(tree, MANAGED)


@pytest.mark.parametrize("text", [OF_OTHERS, "", "\n", "[Slice]", "junk\n[Slice\nCPUWeight=1\n"])
def test_what_nobody_changes_stays_to_the_letter(text: str) -> None:
    assert edited(text) == text
    for option, value in values_of(ROWS, tree_of(text, MANAGED)).items():
        assert edited(text, **{"__".join(option): value}) == text


def test_of_what_is_said_twice_the_last_holds() -> None:
    values = values_of(ROWS, tree_of(OF_OTHERS, MANAGED))
    assert values[("cpu", "shares")] == 30
    assert values[("memory", "limit")] == "1GiB"
    assert values[("description",)] == "Batch   at night"


@pytest.mark.parametrize(
    ("values", "old", "new"),
    [
        ({"cpu__shares": 40}, "CPUWeight = 30\n", "CPUWeight=40\n"),
        ({"memory__limit": "2GiB"}, "MemoryMax=1G\n", "MemoryMax=2147483648\n"),
        ({"memory__limit": "0B"}, "MemoryMax=1G\n", ""),
        ({"cpu__limit": 1.5}, "TasksMax=100\n", "TasksMax=100\nCPUQuota=150%\n"),
        (
            {"description": "100%"},
            "Description=Batch  \\\n  # not too much\n  at night\n",
            "Description=100%%\n  # not too much\n",
        ),
    ],
)
def test_the_line_of_an_option_changes_and_no_other(
    values: dict[str, object], old: str, new: str
) -> None:
    assert edited(OF_OTHERS, **values) == OF_OTHERS.replace(old, new)


def test_what_is_taken_away_is_taken_away_wherever_it_is_said() -> None:
    without = OF_OTHERS.replace("CPUWeight=20\n", "").replace("CPUWeight = 30\n", "")
    assert edited(OF_OTHERS, cpu__shares=0) == without


def test_a_section_that_is_not_there_comes_at_the_end() -> None:
    ours = "\n\n[X-kvm-fleet]\nCPUReservation=0.5\nProtected=yes\n"
    assert edited(OF_OTHERS, cpu__reservation=0.5, protected=True) == OF_OTHERS + ours


def test_lines_end_as_they_do_in_the_file() -> None:
    assert edited("[Slice]\r\nTasksMax=1\r\n", cpu__shares=7) == (
        "[Slice]\r\nTasksMax=1\r\nCPUWeight=7\r\n"
    )


def test_a_new_file() -> None:
    tree = xmltree.Element("unit")
    edit(ROWS, tree, {("description",): "Gold", ("cpu", "limit"): 16, ("expandable",): True})
    assert text_of(tree, MANAGED) == (
        "# Made by kvm.fleet\n[Unit]\nDescription=Gold\n\n[Slice]\nCPUQuota=1600%\n\n"
        "[X-kvm-fleet]\nExpandable=yes\n"
    )


@pytest.mark.parametrize("text", ["[Slice]\n# \x01\udcff ]]> <&\nCPUWeight=1\n", "[\u2028]\nä=1\n"])
def test_what_xml_cannot_hold_stays_too(text: str) -> None:
    tree = xmltree.parse(xmltree.serialise(tree_of(text, MANAGED)))
    assert text_of(tree, MANAGED) == text


@pytest.mark.parametrize(
    ("path", "unit", "cgroup"),
    [
        ("gold", "machine-gold.slice", "machine.slice/machine-gold.slice"),
        (
            "gold/my-pool",
            r"machine-gold-my\x2dpool.slice",
            r"machine.slice/machine-gold.slice/machine-gold-my\x2dpool.slice",
        ),
        ("a.b_c", "machine-a.b_c.slice", "machine.slice/machine-a.b_c.slice"),
    ],
)
def test_names_as_systemd_and_libvirt_write_them(path: str, unit: str, cgroup: str) -> None:
    assert (unit_of(path), path_of(unit), cgroup_of(path)) == (unit, path, cgroup)


@pytest.mark.parametrize(
    "unit",
    ["machine.slice", "machine-.slice", "user-1.slice", "machine-a--b.slice", "machine-a.scope"],
)
def test_what_is_no_pool(unit: str) -> None:
    assert path_of(unit) == ""


@pytest.mark.parametrize(
    ("line", "option", "value"),
    [
        ("MemoryMin=4G", "memory.reservation", "4GiB"),
        ("MemoryMin=1.5G", "memory.reservation", "1536MiB"),
        ("MemoryMin=", "memory.reservation", "0B"),
        ("MemoryMax=infinity", "memory.limit", "0B"),
        ("MemoryMax=0", "memory.limit", "0"),
        ("MemoryMax=10%", "memory.limit", "10%"),
        ("CPUQuota=12.5%", "cpu.limit", 0.125),
        ("CPUQuota=", "cpu.limit", 0),
        ("CPUWeight=idle", "cpu.shares", "idle"),
        ("", "cpu.shares", 0),
        ("CPUQuota=12.55%", "cpu.limit", "12.55%"),
        ("CPUQuota=150.0%", "cpu.limit", 1.5),
    ],
)
def test_what_others_write(line: str, option: str, value: object) -> None:
    tree = tree_of(f"[Slice]\n{line}\n", MANAGED)
    assert values_of(ROWS, tree)[tuple(option.split("."))] == value

"""How plans are shown: options as users write them, and the line at the end."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine.changes import (
    HOTPLUG,
    LIVE,
    RESTART,
    Came,
    Change,
    Changed,
    Removed,
    Restarted,
    Went,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import ABSENT, PRESENT
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    CREATE,
    DELETE,
    NONE,
    UPDATE,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import (
    diff_of,
    diffs,
    names,
    results,
    summary,
)
from ansible_collections.kvm.fleet.plugins.module_utils.engine.traits import STATE

SOURCE = ("disks", "root", "source")


def plan_of(*changes: Change, name: str = "web", action: str = UPDATE, **more: object) -> Plan:
    have = Have("vm", name)
    return Plan(Wanted("vm", name, PRESENT), action, have, have, tuple(changes), **more)  # type: ignore[arg-type]


def test_what_a_disk_stands_on_is_named_by_its_option() -> None:
    change = Changed("vm/web", SOURCE, {"file": "/a"}, {"file": "/b"}, RESTART, {"file": "/a"})
    assert names([change]) == ["disks.root.file"]
    assert results([change]) == [
        {"resource": "vm/web", "field": "disks.root.file", "before": "/a", "after": "/b"}
        | {"class": "restart"}
    ]


def test_options_that_stay_are_not_named() -> None:
    volumes = [{"pool": "fast", "volume": name} for name in ("a", "b")]
    assert names([Changed("vm/web", SOURCE, *volumes, RESTART)]) == ["disks.root.volume"]


def test_one_option_takes_the_place_of_another() -> None:
    change = Changed("vm/web", SOURCE, {"file": "/a"}, {"device": "/dev/b"}, RESTART)
    assert names([change]) == ["disks.root.file", "disks.root.device"]
    diff = diff_of(plan_of(change))
    assert diff["before"] == "disks:\n  root:\n    file: /a\n"
    assert diff["after"] == "disks:\n  root:\n    device: /dev/b  # restart\n"


def test_a_diff_has_what_is_said_of_a_change() -> None:
    change = Changed("vswitch/prod", ("mtu",), 1500, 9000, LIVE, note="pauses for\n a moment")
    assert diff_of(plan_of(change))["after"] == "mtu: 9000  # live: pauses for a moment\n"
    assert diff_of(plan_of(change, action=CREATE))["after"] == "mtu: 9000  # pauses for a moment\n"


def test_a_disk_that_comes_has_its_options_beside_each_other() -> None:
    thing = {"source": {"file": "/a"}, "bus": "virtio"}
    change = Came("vm/web", ("disks", "root"), ABSENT, thing, HOTPLUG)
    assert results([change])[0]["after"] == {"file": "/a", "bus": "virtio"}


def test_the_line_at_the_end_counts_and_names() -> None:
    plans = [
        plan_of(
            Changed("vm/web", ("cpu", "count"), 1, 2, LIVE),
            Went("vm/web", ("disks", "data"), {}, ABSENT, HOTPLUG),
            Restarted("vm/web", ("power",), "running"),
        ),
        plan_of(Removed("vm/old", STATE, "stopped"), name="old", action=DELETE),
        plan_of(name="db", action=NONE, pending=(Changed("vm/db", ("clock",), "a", "b", RESTART),)),
    ]
    assert summary(plans) == (
        "plan: 4 changes (2 live, 1 hotplug, 1 restart); restarts: vm/web; "
        "waits for a restart: vm/db; removes: vm/web disks.data, vm/old"
    )


def test_a_diff_ends_with_that_line_and_nothing_without_changes() -> None:
    shown = diffs([plan_of(Changed("vm/web", ("clock",), "utc", "localtime", LIVE))])
    assert shown[-1] == {"prepared": "plan: 1 change (1 live)\n"}
    assert diffs([plan_of(action=NONE)]) == []

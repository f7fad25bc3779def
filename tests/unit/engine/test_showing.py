"""How plans are shown: options as users write them, and the line at the end."""

from __future__ import annotations

import pytest

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
from ansible_collections.kvm.fleet.plugins.module_utils.engine.hidden import Sensitive
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


ISO, OTHER = {"file": "/a.iso"}, {"file": "/b.iso"}
MEDIUM = ("cdroms", "medium", "source")


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        # A medium that somebody ejected, put in, or took for another while the VM ran.
        (
            Changed("vm/web", MEDIUM, ISO, ISO, LIVE, {"file": ""}),
            'cdroms:\n  medium:\n    file: ""\n',
            "cdroms:\n  medium:\n    file: /a.iso  # live: stored so already\n",
        ),
        (
            Changed("vm/web", MEDIUM, {"file": ""}, {"file": ""}, LIVE, ISO),
            "cdroms:\n  medium:\n    file: /a.iso\n",
            'cdroms:\n  medium:\n    file: ""  # live: stored so already\n',
        ),
        (
            Changed("vm/web", MEDIUM, ISO, OTHER, LIVE, {"file": ""}),
            "cdroms:\n  medium:\n    file: /a.iso\n",
            'cdroms:\n  medium:\n    file: /b.iso  # live: runs with ""\n',
        ),
        (
            Changed("vm/web", MEDIUM, {"volume": "a"}, {"volume": "a"}, LIVE, ISO),
            "cdroms:\n  medium:\n    file: /a.iso\n",
            "cdroms:\n  medium:\n    volume: a  # live: stored so already\n",
        ),
        # An option, and one that what runs does not have.
        (
            Changed("vm/web", ("on_crash",), "preserve", "preserve", LIVE, "destroy"),
            "on_crash: destroy\n",
            "on_crash: preserve  # live: stored so already\n",
        ),
        (
            Changed("vm/web", ("cpu", "quota"), 50, 50, LIVE, None),
            "cpu:\n  quota: null\n",
            "cpu:\n  quota: 50  # live: stored so already\n",
        ),
        (
            Changed("vm/web", ("cpu", "count"), 1, 2, RESTART, 4),
            "cpu:\n  count: 1\n",
            "cpu:\n  count: 2  # restart: runs with 4\n",
        ),
        # A thing that somebody took out of what runs, or plugged in there alone.
        (
            Came("vm/web", ("disks", "data"), {**ISO, "bus": "virtio"}, ISO, HOTPLUG, ABSENT),
            "disks:\n  data: absent\n",
            "disks:\n  data:  # hotplug: stored so already\n    file: /a.iso\n",
        ),
        (
            Went("vm/web", ("disks", "data"), ABSENT, ABSENT, HOTPLUG, ISO),
            "disks:\n  data:\n    file: /a.iso\n",
            "disks:\n  data: absent  # hotplug: stored so already\n",
        ),
    ],
)
def test_a_diff_has_what_runs_where_that_alone_is_otherwise(
    change: Change, before: str, after: str
) -> None:
    diff = diff_of(plan_of(change))
    assert (diff["before"], diff["after"]) == (before, after)


def test_a_result_has_what_runs_where_that_alone_is_otherwise() -> None:
    [row] = results([Changed("vm/web", ("cpu", "quota"), 50, 50, LIVE, None)])
    assert (row["before"], row["live"]) == (50, None)
    rows = results([Changed("vm/web", MEDIUM, {"volume": "a"}, {"volume": "a"}, LIVE, ISO)])
    assert [(row["field"], row["after"], row["live"]) for row in rows] == [
        ("cdroms.medium.volume", "a", None),
        ("cdroms.medium.file", None, "/a.iso"),
    ]


def test_a_secret_that_runs_otherwise_is_said_to_be_another() -> None:
    stored, runs = Sensitive("one"), Sensitive("two")
    diff = diff_of(plan_of(Changed("vm/web", ("password",), stored, stored, LIVE, runs)))
    assert diff["before"] == 'password: "(hidden, another)"\n'
    assert diff["after"] == 'password: "(hidden)"  # live: stored so already\n'


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

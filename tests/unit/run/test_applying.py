"""The order of what is done, where one thing goes with another."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import (
    CREATE,
    DELETE,
    END,
    Have,
    Plan,
    Wanted,
)
from ansible_collections.kvm.fleet.plugins.module_utils.run.applying import in_steps


def plan(kind: str, name: str, action: str = DELETE, of: str = "") -> Plan:
    needs = frozenset({("vm", of)} if of else ())
    have = Have(kind, name)
    return Plan(Wanted(kind, name, "absent", needs=needs), action, have, have)


def steps(*plans: Plan) -> list[tuple[str, str]]:
    return [(one.wanted.name, one.action) for one in in_steps(plans)]


def test_a_definition_goes_after_what_goes_with_it() -> None:
    done = steps(
        plan("vm", "web"),
        plan("vm", "db"),
        plan("vm", "new", CREATE),
        plan("storage_volume", "web-root", of="web"),
        plan("storage_volume", "web-data", of="web"),
        plan("storage_pool", "fast"),
    )
    assert done == [
        ("web", END),
        ("db", DELETE),
        ("new", CREATE),
        ("web-root", DELETE),
        ("web-data", DELETE),
        ("web", DELETE),
        ("fast", DELETE),
    ]


def test_what_is_made_for_something_changes_no_order() -> None:
    made = plan("vm", "web", CREATE), plan("vm_snapshot", "web/before", CREATE, of="web")
    assert steps(*made) == [("web", CREATE), ("web/before", CREATE)]

# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is about the machine itself, without libvirt: read, plan, apply, verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError, FleetErrors
from ..engine.plan import Plan
from ..engine.showing import diffs, names, results, summary
from ..kinds.host_memory import planned, reader
from ..kinds.host_memory.applier import Machine, apply
from ..kinds.host_memory.declared import NAME, Declared, declared_in


@dataclass
class Run:
    """What is known of a run, also where it ends with an error."""

    machine: Machine
    changed: bool = False
    outcome: dict[str, Any] = field(default_factory=dict)

    def made(self) -> None:
        """A change has been made."""
        self.changed = True


def run(module: basic.AnsibleModule) -> None:
    """Converge the machine's memory to what the parameters declare, and end the module."""
    done = Run(Machine())
    try:
        converge(module.params, module.check_mode, done)
    except FleetErrors as errors:
        _fail(module, done, [str(error) for error in errors.errors])
    except FleetError as error:
        _fail(module, done, [str(error)])
    except OSError as error:
        _fail(module, done, [f"{NAME}: {error.filename} cannot be written: {error.strerror}"])
    for warning in done.outcome.pop("warnings"):
        module.warn(warning)
    module.exit_json(**done.outcome)


def converge(params: Mapping[str, Any], check: bool, done: Run) -> None:
    """Plan, and but for check mode apply and plan again: then there is nothing left to do."""
    declared = declared_in(params)
    found = reader.read(done.machine.root)
    plan = planned.plan_of(declared, found)
    done.outcome = {**_report(plan), NAME: planned.told_after(declared, found)}
    if check or not plan.changed:
        return
    apply(done.machine, declared, found, plan, done.made)
    _verify(declared, done)


def _report(plan: Plan) -> dict[str, Any]:
    return {
        "changed": plan.changed,
        "plan": results(plan.changes),
        "summary": summary([plan]),
        "diff": diffs([plan]),
        "pending_restart": results(plan.pending),
        "warnings": [f"{plan.resource}: {warning}" for warning in plan.warnings],
    }


def _verify(declared: Declared, done: Run) -> None:
    found = reader.read(done.machine.root)
    left = planned.plan_of(declared, found)
    done.outcome[NAME] = planned.told(found)
    if left.changed:
        says = f"others changed it at the same time: {', '.join(names(left.changes))}; run it again"
        raise FleetError(says, NAME)


def _fail(module: basic.AnsibleModule, done: Run, errors: list[str]) -> None:
    said = {**done.outcome, "changed": done.changed}
    if NAME in said:  # as it is, since it did not become what was predicted
        said[NAME] = planned.told(reader.read(done.machine.root))
    for warning in said.pop("warnings", ()):
        module.warn(warning)
    module.fail_json(msg="; ".join(errors), errors=errors, **said)

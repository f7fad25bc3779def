"""One option of what others made changes: nothing else does, and then it is as declared."""

from __future__ import annotations

from typing import Any

from fidelity.unnamed import lost
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import results
from support.neighbours import Site
from support.one_option import Observed, defined

DEFINED = defined()
TIMES = 6  # what others draw: there are some 70,000 such declarations
OBSERVED = Observed(DEFINED)


@settings(max_examples=TIMES * settings().max_examples)
@given(st.sampled_from(DEFINED).flatmap(
    lambda one: st.tuples(st.just(one), st.sampled_from([*OBSERVED.declarations(one)]))
))  # fmt: skip
def test_the_plan_is_what_the_edit_is(drawn: Any) -> None:
    one, params = drawn
    site = Site(one.kind)
    site.there[one.kind][one.have.name] = one.have
    plans = site.plans(params)
    event("planned" if plans else "refused")
    if not plans:
        return
    rows = [
        {"resource": plan.wanted.resource, **row} for plan in plans for row in results(plan.changes)
    ]
    seen = {f"{one.kind}/{one.have.name} stored": one.text}
    after = xmltree.serialise(plans[-1].after.definition)
    assert lost(seen, dict.fromkeys(seen, after), rows) == []
    site.do(plans)
    again = site.plans(params)
    assert again, "what was declared is refused once it is so"
    assert [results(plan.changes) for plan in again] == [[] for _plan in again]

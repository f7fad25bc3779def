"""What differs between what is wanted and what is there."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine.comparing import waiting
from ansible_collections.kvm.fleet.plugins.module_utils.engine.keys import PRESENT


def test_what_waits_to_come_says_what_it_has() -> None:
    """What is stored of it has every option, most of which say nothing."""
    thing = ("inputs", "pointer")
    stored = {
        ("title",): "",
        thing: PRESENT,
        (*thing, "bus"): "usb",
        (*thing, "serial"): "",
        (*thing, "limits", "total_iops"): 0,
    }
    [change] = waiting("vm/web", stored, {("title",): ""})
    assert (change.field, change.after) == (thing, {"bus": "usb"})
    assert waiting("vm/web", stored, {**stored, ("title",): "web"})[0].field == ("title",)

# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes: what a run makes otherwise, each of a type that knows how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .codecs import Value
from .keys import Key, named

# What a change does to a resource that runs.
STORED = "stored"  # only the stored definition: the resource does not run, or runs so already
LIVE = "live"  # takes effect now
HOTPLUG = "hotplug"  # takes effect now, as a device that comes or goes
RESTART = "restart"  # stored now, takes effect when the resource is next started

# What a plan says of data that is left when its resource goes. It is told, but is no change.
STAYS = "kept"


@dataclass(frozen=True)
class Change:
    """One field that a run changes: from what, to what, and with which effect."""

    resource: str
    field: Key
    before: Value
    after: Value
    effect: str
    live: Value = None  # what runs at present, where that is not `before`
    applier: str = ""
    note: str = ""

    def result(self) -> dict[str, Any]:
        """The change as a module returns it."""
        said = {
            "resource": self.resource,
            "field": named(self.field),
            "before": self.before,
            "after": self.after,
            "class": self.effect,
        }
        if self.live is not None and self.live != self.before:
            said["live"] = self.live
        if self.note:
            said["note"] = self.note
        return said

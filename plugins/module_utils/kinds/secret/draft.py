# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for secrets: above all whether the value differs, which nobody is told."""

from __future__ import annotations

import uuid
from dataclasses import replace

from ...engine import xmltree
from ...engine.changes import Change
from ...engine.host import TEST
from ...engine.keys import ABSENT, Values
from ...engine.planner import Draft
from ...engine.xmltree import FLEET_NS, Element
from . import rules
from .table import EPHEMERAL, PRIVATE, ROWS, TRAITS, TYPES, UUID, VALUE, parts_of

TAKEN_UP = (
    "pools that are active and VMs that run go on with the former value until they are started "
    "again"
)
UNSEEN = (
    "value: libvirt shows that of a private secret to nobody, so whether it differs cannot be "
    "seen, and it is left as it is; update_value: always sets it in each run, on_create is silent"
)
SET_ANYWAY = "whether it differs cannot be seen, since the secret is private"
NO_VALUE = "has no value; what uses it cannot start until it has one (value)"


class SecretDraft(Draft):
    """A plan for one secret in the making."""

    rows = ROWS
    traits = TRAITS
    shows_things = False

    @property
    def _is_unseen(self) -> bool:
        """Whether it has, or may have, a value that libvirt shows to nobody."""
        return self.have.exists and bool(self.stored[PRIVATE])

    def resolve(self) -> Values:
        if self.world.host.driver == TEST:
            self.mistakes.add("libvirt's test driver has no secrets")
            self.mistakes.raise_any()
        want = dict(self.wanted.values)
        if VALUE in want and not self._sets_value():
            del want[VALUE]
        return want

    def _sets_value(self) -> bool:
        """Whether the declared value has a part in the plan, be it equal to what is there."""
        how = self.wanted.options["update_value"]
        if self._is_unseen:
            if how == rules.ON_CHANGE and not self.world.verifies:
                self.warnings.append(UNSEEN)
            return bool(how == rules.ALWAYS and not self.world.verifies)
        return not (how == rules.ON_CREATE and self.stored.get(VALUE) is not None)

    def new(self) -> Element:
        usage_type, usage = parts_of(self.wanted.name)
        tree = Element("secret", {"ephemeral": "no", "private": "no"})
        xmltree.put(tree, "uuid", derived_uuid(self.wanted.name))
        xmltree.put(tree, "usage/@type", usage_type)
        xmltree.put(tree, f"usage/{TYPES[usage_type]}", usage)
        return tree

    def check(self) -> None:
        if not self.have.exists:
            if VALUE not in self.want:
                self.warnings.append(NO_VALUE)
            return
        if self.want.get(UUID, self.stored[UUID]) != self.stored[UUID]:
            self.mistakes.add(
                f"is {self.stored[UUID]}, which libvirt never changes; omit it, or remove the "
                "secret (state: absent) and what uses it by that UUID first",
                "uuid",
            )
        if self._is_unseen and self.want.get(PRIVATE) is False:
            self.mistakes.add(
                "is true, and libvirt never takes that back; remove the secret (state: absent) and "
                "declare it anew, or leave it private",
                "private",
            )

    def explained(self, change: Change) -> Change:
        if change.field == VALUE and self._is_unseen:
            return replace(change, note=f"{SET_ANYWAY}; {TAKEN_UP}")
        if change.field == VALUE and change.before is not None:
            return replace(change, note=TAKEN_UP)
        if change.field == EPHEMERAL and change.after:
            return replace(change, note="it goes when libvirt's daemon is next started")
        if change.after is ABSENT and change.field == ("state",):
            return replace(change, note="its value goes with it")
        return change


def derived_uuid(name: str) -> str:
    """The UUID of a new secret: the same for the same name, on every host."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{FLEET_NS}:secret/{name}"))

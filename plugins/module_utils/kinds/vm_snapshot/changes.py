# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with snapshots, as changes of a plan."""

from __future__ import annotations

from ...engine.changes import Change, Lost, Made, NoUndo, Removed
from ...engine.keys import Values


class Of(Change):
    """What a snapshot has that is made; it goes with the snapshot."""

    in_definition = False

    def put(self, values: Values) -> None:
        """No row says it."""


class Taken(Made):
    """A snapshot that was not there."""

    def put(self, values: Values) -> None:
        """No row says it."""

    def undo(self) -> Change | NoUndo:
        return Forgotten(self.resource, self.field, self.after)


class Forgotten(Removed):
    """A snapshot is there no more."""

    never_back = "what the disks held then is known no more"

    def put(self, values: Values) -> None:
        """No row says it."""


class Merged(Lost):
    """What was written since a snapshot goes into the image below, and its file goes."""

    never_back = "the two are one image from then on"
    removes = False


class Discarded(Lost):
    """What was written since a snapshot is thrown away."""

    never_back = "what was written since is lost"


class WentBack(Of):
    """Something of the VM is again as it was when a snapshot was taken."""

    never_back = "it was another once, and nobody keeps that"

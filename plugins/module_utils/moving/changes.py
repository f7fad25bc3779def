# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move makes otherwise, as changes of a plan."""

from __future__ import annotations

from ..engine.changes import Change, Lost
from ..engine.keys import Values


class Moved(Change):
    """A VM lives on another host."""

    in_definition = False

    def put(self, values: Values) -> None:
        """No option of the VM is another."""


class Copied(Moved):
    """The data of a disk is at the target, too."""

    never_back = "the copies of a disk are two disks from then on"


class Carried(Moved):
    """State beside the disks is at the target, too."""

    never_back = "the VM goes on with it where it is"


class Cleared(Lost):
    """What the source had, and the target has by now."""

    never_back = "the VM has it at the target, and goes on with it"
    removes = False

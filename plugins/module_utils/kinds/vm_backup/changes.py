# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with backups, as changes of a plan."""

from __future__ import annotations

from ...engine.changes import Change, Lost
from ...engine.keys import Values


class BackedUp(Change):
    """What is copied that was not."""

    in_definition = False
    never_back = "a backup goes by keep, keep_days or state: absent"

    def put(self, values: Values) -> None:
        """No row says it."""


class Expired(Lost):
    """A backup that is there no more."""

    never_back = "what was in it cannot be restored any more"


class Superseded(BackedUp):
    """A checkpoint whose place another takes."""

    never_back = "the next backup builds on the new one"

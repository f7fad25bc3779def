# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with exports, as changes of a plan."""

from __future__ import annotations

from ..vm_backup.changes import BackedUp


class Begun(BackedUp):
    """What is exported that was not."""

    never_back = "an export ends by state: absent"


class Ended(BackedUp):
    """An export that ends."""

    never_back = "the moment of which it was is over"


class Dropped(BackedUp):
    """A checkpoint that goes."""

    never_back = "what was written since then is not known any more"

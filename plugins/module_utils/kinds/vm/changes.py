# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans for VMs change of their host."""

from __future__ import annotations

from ...engine.changes import LIVE, Mended


class Upheld(Mended):
    """What was promised, and the kernel did not hold, it holds."""

    takes_effect = LIVE
    never_back = "it was promised before"


class Grown(Mended):
    """The host's pool of huge pages has more of them free, for a VM that starts."""

    takes_effect = LIVE
    never_back = "the host keeps the pages until it is restarted"


class Brought(Mended):
    """What a new VM has from its template."""

    never_back = "it is of a VM that was not there"

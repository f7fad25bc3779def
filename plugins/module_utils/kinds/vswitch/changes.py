# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that only vswitches have: of NICs of running VMs, and of what a run left behind."""

from __future__ import annotations

from ...engine.changes import Came, Changed, Lost, Made, Mended, Stepped, Went


class Cleared(Mended):
    """What an interrupted start or stop left in the way of the next start."""


class Connected(Mended):
    """NICs of running VMs that are on no bridge, or on a detour, are connected again."""


class Retagged(Mended):
    """Ports of running NICs get the VLANs of their port groups."""

    never_back = "they follow their port groups"


class FiltersMade(Mended):
    """libvirt gets network filters of ours, which are not there, or not as they are to be."""

    never_back = "NICs may have them"


class Refiltered(Mended):
    """NICs get the network filter or the isolation of their port group, or have it no more."""

    never_back = "they follow their port groups"


class RefilteredLater(Refiltered):
    """The same where what runs is left as it is."""


class BridgeMade(Mended):
    """The switch beneath a vswitch, which was not there."""

    never_back = "it is there for its vswitch, and goes with that"


class Raised(Mended):
    """Uplinks that are down, as a start of the host leaves them."""

    never_back = "an uplink that is down is none"


class BridgeGone(Lost):
    """The switch beneath a vswitch goes with it."""

    never_back = "its vswitch is gone, with which another is made"


class TunnelsGone(Lost):
    """Tunnels of ours go with their vswitch from a bridge that others made."""

    never_back = "its vswitch is gone, with which others are made"


class Wired(Changed):
    """An option of the switch, which stands in no definition of libvirt's."""

    in_definition = False


class PortCame(Came):
    """The host is on the switch by a new interface of its own."""

    in_definition = False


class PortWent(Went):
    """The host is on the switch no more by one of its interfaces."""

    in_definition = False


class Guarded(Mended):
    """What is changed of the switch is set back by the host, unless it can still be reached."""

    guards = True
    never_back = "it ends with its run"


class StartedUnderVms(Stepped):
    """It starts under running VMs, whose NICs are connected again."""


class MadeUnderVms(Made):
    """It comes back under running VMs, whose NICs are connected again."""


CONNECTING = (Connected, StartedUnderVms, MadeUnderVms)

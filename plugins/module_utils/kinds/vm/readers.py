# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans about VMs read of a host."""

from __future__ import annotations

from ...host import live_guests
from ..resource_pool.readers import POOLS as RESOURCE_POOLS
from ..storage_pool.readers import STORAGE
from ..vswitch.readers import VSWITCHES
from .readers_alone import RECORDS, VMS

FOR_PLANS = (VMS, RECORDS, STORAGE, VSWITCHES, RESOURCE_POOLS, live_guests.READS)

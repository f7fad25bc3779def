# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans about volumes read of a host."""

from __future__ import annotations

from ..storage_pool.readers import STORAGE
from ..vm.readers_alone import RECORDS, VMS

FOR_PLANS = (STORAGE, VMS, RECORDS)

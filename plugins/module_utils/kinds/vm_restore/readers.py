# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read for plans about restoring; imported where it is asked."""

from __future__ import annotations

from typing import Any

from ...engine.facts import Reads
from ...host.connection import Host
from ..vm_backup.readers import FOR_PLANS as OF_BACKUPS


def _definition(_host: Host, folder: str, backup: str) -> Any:
    from .reader import read_definition

    return read_definition(folder, backup)


def _journal(_host: Host, folder: str, target: str) -> Any:
    from .reader import read_journal

    return read_journal(folder, target)


RESTORES = Reads(answers={"backed_up_definition": _definition, "restoring": _journal})
FOR_PLANS = (*OF_BACKUPS, RESTORES)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the snapshot of a host, as a host to plan for."""

from __future__ import annotations

import json
from pathlib import Path

from ..engine import recording
from ..engine.errors import FleetError
from ..engine.facts import Facts
from ..engine.recorded import Recorded
from .following import judged_here


def facts_in(path: str) -> Facts:
    """The facts of the host of which a file has a snapshot. FleetError if it cannot be used."""
    try:
        told = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        answers = recording.load(told)
    except OSError as error:
        raise FleetError(f"cannot read the snapshot {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FleetError(f"the snapshot {path} is no JSON that can be read: {error}") from error
    except FleetError as error:
        raise FleetError(f"the snapshot {path} {error.message}") from error
    return Facts(Recorded(answers, judged_here))

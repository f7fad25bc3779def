# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab remembers between two commands: its declaration, its ports, what went wrong."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import LabError

FILE = "lab.json"


@dataclass
class State:
    declaration: dict[str, Any]
    accelerator: dict[str, Any]
    # The image of each host, fixed when the lab is prepared: a recipe that is edited meanwhile is
    # for the next lab.
    images: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    # Per host: how it was started (booted or restored), and each failure that was retried.
    started: dict[str, str] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        partial = directory / f"{FILE}.partial"
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n")
        partial.replace(directory / FILE)


def read(directory: Path) -> State | None:
    """The state of the lab in ``directory``, None where there is none."""
    try:
        return State(**json.loads((directory / FILE).read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise LabError(f"{directory / FILE} is damaged ({error}); destroy the lab") from error

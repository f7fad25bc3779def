"""What failed, in a line each, out of the output of pytest, Ansible and Molecule.

A machine that keeps only the last lines of a run keeps no more of it than the table, so the runner
of the stages says these after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from support.counts import COLOURS

# Of which the first tell: what fails later fails of it, as often as not.
LINES = 6
LINE_LENGTH = 400
_PYTEST = re.compile(r"^(?:FAILED|ERROR) \S+::.*")
_TASK = re.compile(r"^TASK \[(.*?)\] \*")
_FATAL = re.compile(r"^(?:fatal|failed): \[([^\]]+)\].*?(\{.*)?$")
_MESSAGE = re.compile(r'"msg": ("(?:[^"\\]|\\.)*")')


def faults(output: str) -> Sequence[str]:
    """The first lines that say what failed, without repetitions; none where nothing is known."""
    found = dict.fromkeys(line[:LINE_LENGTH] for line in _faults(COLOURS.sub("", output)))
    return list(found)[:LINES]


def _faults(output: str) -> Iterator[str]:
    task = ""
    lines = output.splitlines()
    for line, following in zip(lines, [*lines[1:], ""]):
        if begun := _TASK.match(line):
            task = begun[1]
        elif _PYTEST.match(line):
            yield line
        elif (fatal := _FATAL.match(line)) and following != "...ignoring":
            yield f"{fatal[1]}: {task}: {_said(fatal[2] or line)}"


def _said(result: str) -> str:
    message = _MESSAGE.search(result)
    return " ".join(json.loads(message[1], strict=False).split()) if message else result

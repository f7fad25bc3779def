# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does several things that mostly wait, at the same time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Callable, TypeVar

from .errors import LabError, describe

Result = TypeVar("Result")


def run(calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """The results of ``calls``; when some failed, one LabError that tells what each of them said.

    The threads are daemons: Ctrl-C ends the program at once, not when the last host has answered.
    """
    results: dict[int, Result] = {}
    errors: dict[int, Exception] = {}

    def one(number: int, call: Callable[[], Result]) -> None:
        try:
            results[number] = call()
        except Exception as error:
            errors[number] = error

    threads = [
        threading.Thread(target=one, args=(number, call), daemon=True)
        for number, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _raise_all([errors[number] for number in sorted(errors)])
    return [results[number] for number in range(len(calls))]


def _raise_all(errors: Sequence[Exception]) -> None:
    for error in errors:
        if not isinstance(error, (LabError, OSError)):
            raise error
    if errors:
        raise LabError("\n".join(describe(error) for error in errors))

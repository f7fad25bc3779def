# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the lab: a message that a user can act on."""

from __future__ import annotations


class LabError(Exception):
    """Something the user should read; the command line prints it without a traceback."""


class HostFailed(LabError):
    """A lab host died, panicked or missed its deadline; ``evidence`` is the end of its console."""

    def __init__(self, message: str, evidence: str) -> None:
        super().__init__(message)
        self.evidence = evidence


def describe(error: BaseException) -> str:
    """The error's message, with the end of the console where it is about a lost host."""
    return f"{error}\n{error.evidence}" if isinstance(error, HostFailed) else str(error)

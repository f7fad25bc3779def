# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is of a machine's memory, as plain values: what a plan is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Optional

from ...engine.promises_held import Pool, Vm
from ...engine.promises_policy import Capacity, Policy
from ...host.kernel_memory import KSM, HugePages
from . import kept
from .declared import Setting

Node = Optional[int]  # None: all of them


class Promised(NamedTuple):
    """What is promised to VMs that run, as they are noted, and to pools, and of how much."""

    capacity: Capacity
    policy: Policy
    pools: list[Pool]
    vms: list[Vm]


@dataclass(frozen=True)
class Found:
    """What the kernel and the files of a machine say."""

    numbers: Mapping[str, int]  # of the kernel, by file
    pages: Mapping[tuple[int, Node], HugePages]
    memory: Mapping[Node, Mapping[str, int]]
    ksm_is_advised: bool
    tmpfiles: str
    snippet: str  # for GRUB
    command_line: str  # with which the kernel was booted
    has_grub: bool
    has_systemd: bool
    grub_of_others: Mapping[str, str]  # texts by path
    settings_of_others: Mapping[str, str]
    ksm_tuner: str  # what sets KSM by itself; empty: nothing
    promised: Promised

    @cached_property
    def stored(self) -> dict[str, int]:
        """What systemd-tmpfiles sets at boot, by file."""
        return kept.numbers_in(self.tmpfiles)

    @cached_property
    def at_boot(self) -> kept.AtBoot:
        """What the next boot's command line reserves."""
        return kept.pages_in_grub(self.snippet)

    @cached_property
    def booted_with(self) -> kept.AtBoot:
        """What this boot's command line reserved."""
        return kept.pages_in(self.command_line)

    @property
    def sizes(self) -> list[int]:
        """The sizes of huge pages that the kernel has."""
        return sorted({size for size, node in self.pages if node is None})

    @property
    def nodes(self) -> list[int]:
        """The NUMA nodes."""
        return sorted({node for _size, node in self.pages if node is not None})

    def number(self, setting: Setting) -> int | None:
        """What the kernel has for a setting now."""
        return self.numbers.get(setting.file)

    def ksm_number(self, name: str) -> int:
        """What a file of KSM has; 0 where there is none."""
        return self.numbers.get(f"{KSM}/{name}", 0)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of all plans of a run that may change VMs, wherever they are declared."""

from __future__ import annotations

from ..images import one_writer
from ..vm import block_jobs, screen_ports, state_files
from . import admission, kept, rules

RULES = (
    rules.unique_macs,
    screen_ports.free_ports,
    rules.nothing_in_use_goes,
    state_files.one_vm_each,
    one_writer.one_writer,
    block_jobs.no_job_is_disturbed,
    admission.admitted,
    kept.kept,
)

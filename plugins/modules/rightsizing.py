#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module rightsizing: proposes sizes for VMs by what they used."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rightsizing
short_description: Proposes sizes for VMs by what they used
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Measures what the running VMs of a host use over a window, and tells which vCPUs, memory, limits
    and reservations would fit them, with the declarations that would do it. It changes nothing.
  - A size fits where the average use is within O(lowest_percent) and O(highest_percent) of it and
    the measured peak has a margin above it (O(margin_percent)). What fits is left as it is. No
    proposal is below the peak and its margin.
  - What a VM used is what it ran and what it waited for while others ran, as libvirt counts it. Of
    memory it is what the guest could not give back (C(balloon.current) less C(balloon.usable)). A
    guest tells that only with the balloon's driver, and anew only where
    O(kvm.fleet.vm#module:memory.balloon_stats_period_s) is set; without it no memory is proposed.
  - A window of minutes tells of minutes. Give the samples of many runs (O(samples)) to propose by a
    week.
options:
  names:
    description: The VMs, all that are defined if none is named.
    type: list
    elements: str
  window_s:
    description: For how many seconds to measure. V(0) measures nothing and takes O(samples) alone.
    type: float
    default: 60
  interval_s:
    description: Seconds between two samples. A peak is the most that was used in one interval.
    type: float
    default: 5
  samples:
    description:
      - What was counted earlier, as RV(samples) of this module has it, or from elsewhere. It is
        taken together with what is measured now.
    type: list
    elements: dict
    suboptions:
      vm:
        description: The name of the VM.
        type: str
        required: true
      at:
        description: When it was counted, in seconds of one clock, such as those since 1970.
        type: float
        required: true
      cpu_s:
        description: The CPU time since the VM was started, in seconds.
        type: float
        required: true
      delay_s:
        description: For how many seconds since then its vCPUs were ready to run while others ran.
        type: float
        default: 0.0
      memory_bytes:
        description: The memory that the guest could not do without, in bytes.
        type: int
  lowest_percent:
    description: The average use, in percent of a size, below which it is too large.
    type: float
    default: 60
  highest_percent:
    description: The average use, in percent of a size, above which it is too small.
    type: float
    default: 70
  margin_percent:
    description: How much above the measured peak a size has to be at least, in percent of the peak.
    type: float
    default: 15
extends_documentation_fragment:
  - kvm.fleet.common
  - kvm.fleet.common.reads
seealso:
  - module: kvm.fleet.vm
  - module: kvm.fleet.vm_info
"""

EXAMPLES = r"""
- name: Measure for ten minutes
  kvm.fleet.rightsizing:
    window_s: 600
    interval_s: 10
  register: sizes

- name: Which sizes would fit
  ansible.builtin.debug:
    msg: "{{ sizes.table }}"

- name: Propose by what was counted over a week, and measure nothing now
  kvm.fleet.rightsizing:
    window_s: 0
    samples: "{{ lookup('ansible.builtin.file', 'samples.json') | from_json }}"
  register: sizes

- name: See what the proposed sizes would change
  kvm.fleet.host_config:
    vms: "{{ sizes.declarations }}"
  check_mode: true
"""

RETURN = r"""
vms:
  description: The VMs by name, with what they have, what they used, and why something is proposed.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the VM.
      type: str
      sample: web
    window_s:
      description: Of how many seconds there are samples.
      type: float
      sample: 600.0
    intervals:
      description: Of how many intervals these are. Below 3, nothing is proposed.
      type: int
      sample: 60
    cpu:
      description: In cores, what it has (C(count), C(limit), C(reservation)) and what it used
        (C(average_cores), C(peak_cores)).
      type: dict
      sample: {count: 4, limit: 0.0, reservation: 2.0, average_cores: 0.9, peak_cores: 1.3}
    memory:
      description: What it has (C(size), C(reservation)) and what it used (C(average_bytes),
        C(peak_bytes)), where its guest tells that.
      type: dict
      sample: {size: 8GiB, reservation: 0B, average_bytes: 2147483648, peak_bytes: 2684354560}
    changes:
      description: Whether something else is proposed than it has.
      type: bool
      sample: true
    why:
      description: What was measured, and what stands against a proposal.
      type: list
      elements: str
      sample: ["cpu: used 0.90 cores of 4.00 cores on average (22%), 1.30 cores at most"]
declarations:
  description: The proposals, as O(kvm.fleet.host_config#module:vms) takes them.
  returned: success
  type: list
  elements: dict
  sample: [{name: web, cpu: {count: 2, reservation: 1.5}, memory: {size: 3328MiB}}]
yaml:
  description: The same as text.
  returned: success
  type: str
table:
  description: All VMs in columns, a line for each.
  returned: success
  type: list
  elements: str
samples:
  description: All samples of these VMs, to be given again as O(samples).
  returned: success
  type: list
  elements: dict
  sample: [{vm: web, at: 1764200000.0, cpu_s: 812.4, delay_s: 3.1, memory_bytes: 2147483648}]
"""

from ..module_utils.information import usage
from ..module_utils.information.module import found_in
from ..module_utils.information.proposals import gather
from ..module_utils.kinds.vm.kind import KIND
from ..module_utils.run.module import URI_SPEC, create_module

SPEC = {
    "names": {"type": "list", "elements": "str"},
    "window_s": {"type": "float", "default": 60},
    "interval_s": {"type": "float", "default": 5},
    "samples": {"type": "list", "elements": "dict", "options": usage.SPEC},
    "lowest_percent": {"type": "float", "default": 60},
    "highest_percent": {"type": "float", "default": 70},
    "margin_percent": {"type": "float", "default": 15},
}


def main() -> None:
    """Propose sizes for the VMs of one host."""
    module = create_module({**URI_SPEC, **SPEC})
    found = found_in(module, (KIND,), lambda host, world: gather(host, world, module.params))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()

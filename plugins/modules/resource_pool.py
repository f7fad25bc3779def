#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module resource_pool: declares a resource pool of a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: resource_pool
short_description: Declares a resource pool of a KVM host
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - A resource pool is a slice of systemd, in which VMs share what it promises and are limited
    together. A VM is in it by its option O(kvm.fleet.vm#module:resource_pool).
  - The slice is a unit file, C(/etc/systemd/system/machine-NAME.slice), which counts after a
    reboot as well. It is edited in place, so that the lines and comments of others stay. What
    changes reaches the VMs that run in it at once.
  - Pools are on the machine on which the module runs. Another machine's are declared by a task
    that runs there.
  - An option that is omitted keeps what it has.
options:
  name:
    description:
      - The name of the pool, of letters, digits, C(-), C(_) and C(.).
    type: str
    required: true
  parent:
    description:
      - The path of the pool that it is in, such as V(gold) or V(gold/inner). A pool that is in
        none is right below C(machine.slice).
      - It is a part of which pool is meant. A slice cannot be moved, so with another parent it is
        another pool, and the former one stays with the VMs in it.
    type: str
    default: ""
  state:
    description:
      - V(absent) removes the unit file and the slice. A pool with VMs or other pools in it stays,
        which is an error; those that leave in the same run of M(kvm.fleet.host_config) do not
        count. A VM that runs leaves a pool when it is restarted.
    type: str
    choices: [present, absent]
    default: present
  description:
    description: A line about it, which C(systemctl status) shows. V("") takes it away.
    type: str
  cpu:
    description: What the VMs in the pool have of the host's CPUs, together.
    type: dict
    suboptions:
      reservation:
        description:
          - Cores that are promised to the VMs in it, such as V(1.5), with at most three decimals.
            V(0) takes it away.
          - What is promised to VMs in the pool is taken from it. The kernel knows weights and no
            minimum of CPU time, so the hook of the role P(kvm.fleet.kvm_host#role) sets weights
            by which all that is promised is had.
        type: float
      limit:
        description:
          - Cores that the VMs in it cannot exceed together, C(CPUQuota) of the slice and
            C(cpu.max) in the kernel. V(0) takes it away.
        type: float
      shares:
        description:
          - The weight of the pool among the VMs and pools beside it, where CPUs are short, from 1
            to 10000. It is C(CPUWeight) of the slice and C(cpu.weight) in the kernel. A pool
            that says none has 100, and V(0) takes it away.
          - The words V(low), V(normal) and V(high) are 200, 400 and 800, as a VM with four vCPUs
            has them.
        type: str
  memory:
    description:
      - What the VMs in the pool have of the host's memory, together. Sizes are multiples of
        V(4KiB) with a unit, and V(0B) takes one away.
    type: dict
    suboptions:
      reservation:
        description:
          - Memory that the kernel takes from the VMs in it under no pressure, C(MemoryMin) of the
            slice and C(memory.min) in the kernel. Needs cgroup v2.
        type: str
      low:
        description:
          - Memory that it takes from them only where there is nothing else to take, C(MemoryLow)
            and C(memory.low). Needs cgroup v2.
        type: str
      limit:
        description:
          - Memory that they cannot exceed together, with what QEMU needs itself, C(MemoryMax) and
            C(memory.max). Where the kernel can reclaim nothing, it kills a VM.
        type: str
  expandable:
    description:
      - Whether VMs and pools in it may be promised more than it has itself. What is above comes
        from what its parent, or the host, has promised to nobody.
    type: bool
  protected:
    description: Whether it cannot be removed until this is set to false.
    type: bool
  scope:
    description:
      - The set of declarations that it belongs to, which prune of M(kvm.fleet.host_config) heeds.
    type: str
notes:
  - What C(systemctl set-property) and other drop-ins say counts more than the unit file. Where
    they say something about an option that is declared, that is a warning.
  - Nobody should stop a slice by hand, since C(systemctl stop) of it kills all VMs in it.
extends_documentation_fragment:
  - kvm.fleet.common.plans
  - kvm.fleet.common.admission
  - kvm.fleet.common.attributes
seealso:
  - module: kvm.fleet.vm
  - module: kvm.fleet.host_config
  - name: Resource control of systemd
    description: The settings of a slice.
    link: https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html
"""

EXAMPLES = r"""
- name: A pool with a promise and a limit
  kvm.fleet.resource_pool:
    name: gold
    cpu:
      reservation: 8
      limit: 16
      shares: high
    memory:
      reservation: 32GiB
      limit: 64GiB

- name: One within it, which may have more of it than it is promised itself
  kvm.fleet.resource_pool:
    name: inner
    parent: gold
    cpu:
      reservation: 1.5
    expandable: true

- name: A pool that is no longer needed
  kvm.fleet.resource_pool:
    name: batch
    state: absent
"""

RETURN = r"""
summary:
  description: The plan in one line, as it ends the diff; how many changes of which class, what is
    restarted, what waits for a restart, and what is removed.
  returned: always
  type: str
  sample: "plan: 3 changes (2 live, 1 restart); waits for a restart: vm/web"
made_from:
  description:
    - By what the plan can be known again, of each resource that would be changed; for O(expect).
  returned: in check mode
  type: dict
  contains:
    digest:
      description: A digest of all that the plan was made from, and of the plan.
      type: str
    facts:
      description: The digest of each fact that the plan was made from.
      type: dict
    plan:
      description: The digest of the rows of RV(plan).
      type: str
  sample:
    resource_pool/gold:
      digest: 1f0d8ae2b3c94a5d9d1c6a3c5f2e7b80
      facts: {"resource_pool gold": 8c1f2d3e4b5a6978}
      plan: 0a1b2c3d4e5f6071
plan:
  description: What the run changed, or would change in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: What is changed.
      type: str
      sample: resource_pool/gold
    field:
      description: The option that it is about.
      type: str
      sample: memory.limit
    before:
      description: What was stored.
      type: raw
    after:
      description: What is stored now.
      type: raw
    class:
      description: C(live) where the slice is active and has it at once, else C(stored).
      type: str
      sample: live
pending_restart:
  description: Always empty, nothing of a pool waits.
  returned: always
  type: list
  elements: dict
resource_pool:
  description: The pool as it is afterwards, or would be in check mode.
  returned: success
  type: dict
  contains:
    path:
      description: By which VMs and other pools name it.
      type: str
    unit:
      description: The slice of systemd that it is.
      type: str
    managed:
      description: Whether this collection says what it holds.
      type: bool
    active:
      description: Whether the kernel has it at the moment, as it has while VMs are in it.
      type: bool
    used_memory_bytes:
      description: The memory that is charged to all VMs in it, if it is active.
      type: int
    shadowed:
      description:
        - What drop-ins of others beside its unit file say, by option, as C(systemctl set-property)
          makes them. It counts more than what the options say, and is what is added up.
      type: dict
    unmanaged:
      description: The settings of its unit file that no option says.
      type: list
      elements: str
  sample:
    name: inner
    parent: gold
    path: gold/inner
    unit: machine-gold-inner.slice
    state: present
    managed: true
    active: true
    used_memory_bytes: 1610612736
    cpu: {reservation: 2, limit: 4, shares: 200}
    memory: {reservation: 4GiB, limit: 8GiB}
    expandable: true
    shadowed: {cpu.limit: 2}
    unmanaged: []
"""

from ..module_utils.kinds.resource_pool.kind import KIND
from ..module_utils.kinds.together import admission, rules
from ..module_utils.run.module import ADMISSION_SPEC, CHANGES_SPEC, create_module
from ..module_utils.run.planning import Promising, Rule
from ..module_utils.run.runner import run


def _rules_of_changes() -> tuple[Rule, ...]:
    return (rules.nothing_in_use_goes, admission.admitted)


def _promising() -> Promising:
    from ..module_utils.run import promising

    return promising


def main() -> None:
    """Converge one resource pool."""
    module = create_module({**CHANGES_SPEC, **ADMISSION_SPEC, **KIND.spec()})
    run(
        module,
        kinds=(KIND,),
        parse=KIND.parse,
        shown=KIND.name,
        rules_of_changes=_rules_of_changes,
        promising=_promising,
    )


if __name__ == "__main__":
    main()

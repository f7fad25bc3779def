#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module cpu_baseline: tells the CPU that all hosts of a group can give to a VM."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cpu_baseline
short_description: Tells the CPU that all hosts of a group can give to a VM
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - A VM moves live only to a host that has all features of the CPU which it was started with. This
    tells a CPU that all of the hosts have, as data for O(kvm.fleet.vm#module:cpu), so that VMs
    which have it can live on each of them. VMware calls that EVC. It changes nothing.
  - Libvirt computes it (C(virConnectBaselineHypervisorCPU)) from what each host can give to a VM of
    that kind (the model of C(host-model) in its domain capabilities). The oldest libvirt is asked,
    whose models newer ones know as well, and every host is asked whether it can run the answer.
    What keeps a VM from moving, such as C(invtsc), is left out.
  - A VM gets another CPU at its next start. So declare the baseline before the group has grown, and
    compute it again when a host comes or goes.
options:
  hosts:
    description:
      - The hosts by their names, each with the C(uri) of its libvirt as it is reached from where
        the module runs. The same mapping is given to the modules that move VMs, so
        C(migration_uri) may stand there too.
    type: dict
    required: true
  arch:
    description: The architecture of the VMs. If omitted, that of the hosts.
    type: str
  machine:
    description:
      - The machine type of the VMs, such as V(q35). If omitted, each host's usual one, whose CPUs
        are as a rule the same.
    type: str
  virt_type:
    description:
      - How the VMs run. V(auto) is V(kvm) where VMs of all hosts can be accelerated, and V(qemu)
        else. CPUs that are emulated have features of their own.
    type: str
    choices: [auto, kvm, qemu]
    default: auto
requirements:
  - python3-libvirt (libvirt-python) on the machine where the module runs
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: It changes nothing in any mode.
  diff_mode:
    support: none
  platform:
    platforms: linux
seealso:
  - module: kvm.fleet.vm
"""

EXAMPLES = r"""
- name: Which CPU all hosts of the group have
  kvm.fleet.cpu_baseline:
    hosts:
      kvm1: {uri: qemu+ssh://root@kvm1/system}
      kvm2: {uri: qemu+ssh://root@kvm2/system}
      kvm3: {uri: qemu+ssh://root@kvm3/system}
    machine: q35
  delegate_to: localhost
  run_once: true
  register: baseline

- name: A VM that can live on each of them
  kvm.fleet.vm:
    name: web
    machine: q35
    cpu: "{{ baseline.cpu | combine({'count': 4}) }}"
    memory: {size: 4GiB}

- name: What it costs
  ansible.builtin.debug:
    msg: "{{ item.name }} ({{ item.model }}) gives up {{ item.gives_up | join(', ') }}"
  loop: "{{ baseline.hosts }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
cpu:
  description:
    - The CPU as O(kvm.fleet.vm#module:cpu) takes it. A VM keeps features that it has beside these,
      as options that are omitted are kept.
  returned: success
  type: dict
  sample:
    mode: custom
    model: EPYC-Rome
    features:
      - {name: svm, policy: disable}
      - {name: x2apic, policy: require}
xml:
  description: The same as libvirt computed it, with the vendor, which no option of a VM is about.
  returned: success
  type: str
computed_by:
  description: The host whose libvirt computed it.
  returned: success
  type: str
  sample: kvm1
arch:
  description: The architecture that it is for.
  returned: success
  type: str
  sample: x86_64
virt_type:
  description: How the VMs run that it is for.
  returned: success
  type: str
  sample: kvm
hosts:
  description: The hosts by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name in O(hosts).
      type: str
      sample: kvm2
    model:
      description: The model that C(host-model) is there.
      type: str
      sample: EPYC-Milan
    vendor:
      description: Who made the CPU, empty where libvirt does not say.
      type: str
      sample: AMD
    gives_up:
      description: The features of this host that VMs of the baseline lack; none (null) where its
        libvirt cannot tell.
      type: list
      elements: str
      sample: [fsrm, invpcid, pcid, pku]
errors:
  description: Every mistake, and what stands in the way of a common CPU.
  returned: failure
  type: list
  elements: str
  sample:
    - "cpu_baseline hosts: no model runs on CPUs of different vendors: kvm1 has EPYC-Rome (AMD),
      kvm2 has Skylake-Server (Intel); make a group of hosts for each vendor"
"""

from ..module_utils.moving.baseline import EMULATED, KVM
from ..module_utils.run.baselining import run
from ..module_utils.run.module import create_module

SPEC = {
    "hosts": {"type": "dict", "required": True},
    "arch": {"type": "str"},
    "machine": {"type": "str"},
    "virt_type": {"type": "str", "choices": ["auto", KVM, EMULATED], "default": "auto"},
}


def main() -> None:
    """Tell the CPU that all hosts can give."""
    run(create_module(SPEC))


if __name__ == "__main__":
    main()

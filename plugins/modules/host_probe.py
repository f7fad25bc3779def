#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_probe
short_description: Find out what a machine has to be a KVM host
version_added: 0.1.0
description:
  - Reads from the kernel and the installed programs whether VMs run accelerated on this machine,
    and what a KVM host is made of. It needs neither libvirt nor its Python library, so it also
    answers on a machine that is to become a KVM host.
  - Acceleration is proven, not assumed. That C(/dev/kvm) opens is not enough. The CPU must have
    C(vmx) or C(svm) too, and then a guest of a few instructions is started without libvirt, which
    takes a tenth of a second. Its success is remembered in C(/run/kvm-fleet) until the next boot
    or change of QEMU.
  - M(kvm.fleet.host_info) is about what a host's libvirt carries, and works on remote hosts.
options:
  packages:
    description:
      - Packages to look for. Those that are not installed are returned as RV(missing_packages).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: It changes nothing in either mode.
  diff_mode:
    support: none
  platform:
    platforms: linux
    details: The probe guest is for x86-64. On other machines the answer is that there is no
      acceleration.
author:
  - kvm.fleet contributors (@kvm-fleet)
seealso:
  - module: kvm.fleet.host_info
"""

EXAMPLES = r"""
- name: Find out what this machine has
  kvm.fleet.host_probe:
  register: probe

- name: Insist on acceleration
  ansible.builtin.assert:
    that: probe.acceleration.accelerated
    fail_msg: "VMs would be emulated here: {{ probe.acceleration.reason }}"

- name: Find out which of these packages are missing
  kvm.fleet.host_probe:
    packages:
      - qemu-utils
      - libvirt-clients
"""

RETURN = r"""
acceleration:
  description: Whether VMs run under KVM.
  returned: success
  type: dict
  contains:
    accelerated:
      description: Whether they do.
      type: bool
    reason:
      description: Why, or why not.
      type: str
      sample: /dev/kvm opens, but the CPU has neither vmx nor svm
cgroup_version:
  description: The version of control groups; V(1) also for the hybrid layout, null without any.
  returned: success
  type: int
  sample: 2
cpu:
  description: The CPU.
  returned: success
  type: dict
  contains:
    vendor:
      description: The vendor as the CPU names it.
      type: str
      sample: AuthenticAMD
    model:
      description: The model as the CPU names it.
      type: str
      sample: AMD EPYC 7402P 24-Core Processor
    sockets:
      description: How many sockets.
      type: int
    cores:
      description: How many cores in all sockets.
      type: int
    threads:
      description: How many threads in all cores.
      type: int
    virtualisation:
      description: The flag of the hardware virtualisation, V(svm) or V(vmx), null without any.
      type: str
hook:
  description: libvirt's hook of the role kvm_host, which keeps what VMs were promised.
  returned: success
  type: dict
  contains:
    installed:
      description: A checksum of all that it is made of, empty where it is not installed.
      type: str
    called:
      description:
        - Whether the daemon calls hooks. One that found none as it started calls none that came
          later; one that does not run yet will.
      type: bool
iommu:
  description: Whether the kernel uses an IOMMU.
  returned: success
  type: bool
libvirt:
  description: The libvirt daemons.
  returned: success
  type: dict
  contains:
    daemons:
      description: V(monolithic) or V(modular), null if none serves requests.
      type: str
    running:
      description:
        - The daemons that serve requests.
        - Each with its process ID, or null where systemd keeps it.
      type: dict
      sample: {"libvirtd": 3970, "virtlogd": 3965}
    version:
      description: The installed version, null if libvirt's daemons are not installed.
      type: str
      sample: 9.0.0
memory_mib:
  description: The memory in MiB.
  returned: success
  type: int
  sample: 32093
missing_packages:
  description: Those of O(packages) that are not installed.
  returned: success
  type: list
  elements: str
nested:
  description: Whether VMs may run VMs of their own, null while no KVM module for the CPU is loaded.
  returned: success
  type: bool
qemu:
  description: QEMU for x86-64 guests.
  returned: success
  type: dict
  contains:
    binary:
      description: Its path, null if it is not installed.
      type: str
      sample: /usr/bin/qemu-system-x86_64
    version:
      description: Its version.
      type: str
      sample: 7.2.22
service_manager:
  description: V(systemd) where it runs, otherwise V(none).
  returned: success
  type: str
storage_helpers:
  description: For types of storage pools that need a program of the host, whether it is there.
  returned: success
  type: dict
  sample: {"disk": true, "iscsi": false, "logical": true, "netfs": true}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.information import host_facts


def main() -> None:
    module = AnsibleModule(
        argument_spec={"packages": {"type": "list", "elements": "str", "default": []}},
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **host_facts.gather(module.params["packages"]))


if __name__ == "__main__":
    main()

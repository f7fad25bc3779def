# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of all modules has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The options `uri` and `expect`, and the attributes of a module that changes or only reads."""

    DOCUMENTATION = r"""
options:
  uri:
    description:
      - The libvirt to talk to, as a libvirt connection URI.
      - Files that are named in options are files of the machine on which the module runs, which is
        the KVM host itself unless the URI says otherwise. Of another machine nothing is looked at
        but what its libvirt tells. A socket (C(qemu+unix)) counts as one of this machine.
    type: str
    default: qemu:///system
requirements:
  - python3-libvirt (libvirt-python) on the machine where the module runs
"""

    PLANS = r"""
options:
  uri:
    description:
      - The libvirt to talk to, as a libvirt connection URI.
      - Files that are named in options are files of the machine on which the module runs, which is
        the KVM host itself unless the URI says otherwise. Of another machine nothing is looked at
        but what its libvirt tells. A socket (C(qemu+unix)) counts as one of this machine.
      - In check mode it may be a snapshot of a host as well, C(snapshot:/path/to/kvm1.json), as
        M(kvm.fleet.host_snapshot) takes it. The plan is that of the host at that time, and needs
        neither the host nor a libvirt. What the snapshot does not know is told in a warning.
    type: str
    default: qemu:///system
  expect:
    description:
      - What the plan is expected to be, so that a run does what was reviewed, or nothing.
      - It is RV(made_from) of an earlier run in check mode, or the path of a JSON file (on the
        machine where the module runs) with it or with all that the module returned then, or the
        text of such a file. A digest
        alone (RV(made_from.digest)) does too, by resource.
      - A resource that would be changed otherwise than expected ends the task before anything is
        changed, and the error names the fact that is another now. What is as declared already is
        no error.
    type: raw
requirements:
  - python3-libvirt (libvirt-python) on the machine where the module runs, but for a snapshot
"""

    # What modules about VMs share. Ansible merges whole options, and none of those inside of them.
    VMS = r"""
options:
  resource_pool:
    description:
      - The resource pool that the VM is in (M(kvm.fleet.resource_pool)), by its path such as
        V(gold/inner), or by its name where no other pool has it. An empty string takes the VM out
        of its pool.
      - It is the partition of the domain, below C(/machine), and so a cgroup in the kernel. A
        partition that others gave it elsewhere is shown as it is, with a slash at its beginning.
      - A pool that is neither there nor declared in the same run is an error. Without one systemd
        would make a slice of that name which limits and promises nothing.
      - What runs stays where it is until it is restarted.
    type: str
  shutdown:
    description:
      - How a guest is asked to shut down, wherever that is needed.
    type: dict
    default: {}
    suboptions:
      timeout_s:
        description:
          - How long it may take, in seconds.
        type: int
        default: 120
      on_timeout:
        description:
          - V(fail) fails the task and leaves the VM running; V(power_off) switches it off, and
            what the guest has not written is lost.
        type: str
        choices: [fail, power_off]
        default: fail
"""

    ADMISSION = r"""
options:
  admission:
    description:
      - What becomes of a promise that the host cannot keep, of CPU or memory that is reserved.
      - The host's CPUs and memory, less what is kept for the host itself, less what VMs hold that
        run, start with the host or are declared in the same task, have to be enough. For memory,
        what QEMU needs itself counts for every VM.
      - V(strict) ends the task before anything is changed, with an error that shows the sum.
      - V(warn) tells the same in a warning, and V(off) does not look.
      - Omitted, it is what the host's policy says (C(/etc/kvm-fleet/admission.json)), and V(strict)
        where it says nothing. What keeps starts from breaking a promise is that policy alone.
    type: str
    choices: [strict, warn, "off"]
"""

    ATTRIBUTES = r"""
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying
      target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode),
      when in diff mode.
    support: full
  action_group:
    description: Is part of an action group, whose defaults can be set by C(module_defaults).
    support: full
    membership: [kvm.fleet.all]
"""

    READS = r"""
attributes:
  check_mode:
    description: Can run in check mode; it changes nothing in any mode.
    support: full
  diff_mode:
    description: Returns no differences, since it changes nothing.
    support: N/A
  action_group:
    description: Is part of an action group, whose defaults can be set by C(module_defaults).
    support: full
    membership: [kvm.fleet.all]
"""

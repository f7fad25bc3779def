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
        where it says nothing or cannot be read. What keeps starts from breaking a promise is that
        policy alone.
    type: str
    choices: [strict, warn, "off"]
"""

    # What a move is, for the module that makes it and the one that looks at it.
    MOVES = r"""
options:
  name:
    description: The name of the VM.
    type: str
    required: true
  host:
    description: The host on which the VM is to live, one of O(hosts).
    type: str
    required: true
  hosts:
    description:
      - The hosts on which the VM may be, each by its name. All of them are looked at.
      - C(uri) is how the host is reached from where the module runs, as a libvirt connection URI.
        In check mode, and by M(kvm.fleet.migration_check), it may be that of a snapshot,
        C(snapshot:/path/to/kvm1.json), as M(kvm.fleet.host_snapshot) takes it.
      - C(migration_uri) is how the other hosts reach it, where that is another way.
    type: dict
    required: true
  mode:
    description:
      - By which mode the VM moves. V(live) hands the running guest over, V(offline) carries the
        definition and the disks of a VM that does not run.
      - V(auto) is V(live) for a VM that runs and V(offline) for one that does not. It stops no VM.
    type: str
    choices: [auto, live, offline]
    default: auto
  network:
    description:
      - The migration network, as the address that the target has in it, or the interface of the
        target that is in it, such as V(eno3) or V(br-move), or a name that leads there.
      - The addresses of interfaces are known of the machine where the module runs, of hosts that
        are reached by ssh, and of snapshots.
        Without it the source connects to the target by the name that the target has for itself.
    type: str
  bandwidth:
    description: The most that a live migration sends, such as V(100MiB/s).
    type: str
  downtime_ms:
    description:
      - How long the guest may stand still when it changes hosts. QEMU's own default is 300. It goes
        on copying until it expects less.
    type: int
  auto_converge:
    description: Whether to slow the guest down where it writes to its memory faster than is sent.
    type: bool
    default: false
  post_copy:
    description:
      - Whether the guest may be resumed at the target before all of its memory is there. It is
        certain to end, but from then on the guest is lost if either host or the network fails.
      - Needs C(vm.unprivileged_userfaultfd) on both hosts.
    type: bool
    default: false
  parallel:
    description: Over how many connections memory is sent.
    type: int
  compression:
    description:
      - How memory is compressed. V(xbzrle) and V(mt) are of one connection, V(zlib) and V(zstd) of
        O(parallel) ones, and need libvirt 9.1. QEMU has no V(mt) since 9.1.
    type: str
    choices: [xbzrle, mt, zlib, zstd]
  zero_copy:
    description: Whether memory is sent without being copied first. Needs O(parallel), and memory
      that can be locked.
    type: bool
    default: false
  transport:
    description:
      - V(tls) encrypts memory and disks on their way, and needs certificates on both hosts. With
        V(ssh) and V(tcp) they go over as they are.
    type: str
    choices: [ssh, tls, tcp]
    default: ssh
  timeout_s:
    description: How long a live migration may take. Omitted, it follows from the size of the VM.
    type: int
  on_timeout:
    description:
      - What happens then. V(cancel) leaves the VM where it is, V(pause) stops the guest until it is
        over, V(post_copy) resumes it at the target at once, which needs O(post_copy).
    type: str
    choices: [cancel, pause, post_copy]
    default: cancel
  stall_s:
    description: After how long without progress it is given up, once the target takes data.
    type: int
    default: 60
  backing:
    description:
      - What becomes of an image on which a disk stands that is copied (a linked clone).
      - V(keep) copies only what the VM wrote, and fails where the target has not the image below.
        V(flatten) copies both as one image.
      - V(auto) keeps it where that is on storage of both hosts, or where the target has a qcow2
        image of the same name and size to the byte, and flattens otherwise. The content is not
        compared.
    type: str
    choices: [auto, keep, flatten]
    default: auto
  map:
    description: How things are called at the target, where that is not as at the source.
    type: dict
    default: {}
    suboptions:
      pools:
        description: Storage pools, the name at the source to that at the target.
        type: dict
      vswitches:
        description: Vswitches, the name at the source to that at the target.
        type: dict
  shared_pools:
    description:
      - Storage pools of the source that the target has as well, though nothing shows it, such as
        folders on a file system of a server that is mounted by C(/etc/fstab). What pools have of
        the same server (C(netfs), C(iscsi), C(rbd)) is known to be shared.
      - Disks in them are not copied. A pool that is named here and is not shared is data lost.
    type: list
    elements: str
    default: []
  remove_source_storage:
    description:
      - Whether disks that were copied go from the source, once the VM lives at the target.
    type: bool
    default: false
  admission:
    description:
      - What becomes of a promise to the VM that the target cannot keep. V(strict) does not move it,
        V(warn) tells it, and V(off) does not look. Omitted, it is as the target's policy says.
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

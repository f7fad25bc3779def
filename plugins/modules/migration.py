#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module migration: a VM lives on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration
short_description: Has a VM live on a KVM host, and moves it there
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Declares that a VM lives on one of several hosts. Where it lives there nothing is changed. Where
    it lives on another one it is moved, live if it runs, with the disks that the target does not
    have. Where it is on none of them, or on several, that is an error that says what each has.
  - It runs wherever both hosts can be reached, on the controller, on the source or on the target.
    Beforehand it looks at everything that M(kvm.fleet.migration_check) looks at, and moves nothing
    if anything stands against it.
  - Live, libvirt copies the memory and the disks while the guest runs, which stands still for a
    moment at the end (RV(statistics.downtime_ms)). Off, the module copies the disks, the variables
    of the firmware, the state of an emulated TPM and the memory of a VM that is saved, then the
    definition. A VM that runs is never moved as if it were off.
  - Disks are copied into volumes that stand beside a mark, C(.NAME.partial), until the VM has
    arrived. At the source the VM is undefined last of all. Its old disks stay there unless
    O(remove_source_storage) is set.
  - A run that is killed, with the source or the target in whatever state, leaves a note in the
    definitions and the marks. The next run goes on from there, or says what a person has to decide.
    What is left at the target of a move that failed is removed.
  - The memory goes from QEMU to QEMU by TCP, and is not encrypted unless O(transport=tls). Use a
    network of your own for that.
  - A change of the VM can be declared with its move (O(vm)). Both are one plan, whose steps are
    told and made in their order. What leaves the VM goes before the move, so that devices which
    are bound to its host do not keep it there; the rest comes after it, at the target. Where the
    move fails, what was taken out is put back. Where the VM lives there already, it is only
    changed.
extends_documentation_fragment:
  - kvm.fleet.common.moves
options:
  vm:
    description:
      - What is declared of the VM, by the options of M(kvm.fleet.vm) but C(name). It is declared
        for O(host), so pools, vswitches and files are named as they are there.
      - "Before the move go: disks, drives, NICs and channels with C(state: absent), media that are
        ejected (C(file: \"\")) or replaced and cannot go along, and what O(vm) no longer has of
        C(extra_xml). What goes by C(purge) goes after it."
    type: dict
attributes:
  check_mode:
    description: Plans the move with everything that it depends on, and has no effect on any host.
    support: full
  diff_mode:
    description: Shows where the VM lives before and after, what is copied, and what stays behind.
    support: full
requirements:
  - python3-libvirt (libvirt-python) on the machine where the module runs, but for snapshots
seealso:
  - module: kvm.fleet.migration_check
  - module: kvm.fleet.cpu_baseline
  - module: kvm.fleet.vm
"""

EXAMPLES = r"""
- name: The VM lives on kvm2
  kvm.fleet.migration:
    name: web
    host: kvm2
    hosts:
      kvm1: {uri: qemu+ssh://root@kvm1/system}
      kvm2: {uri: qemu+ssh://root@kvm2/system}
  delegate_to: localhost

- name: From the source, over the migration network, with a pause of at most half a second
  kvm.fleet.migration:
    name: web
    host: kvm2
    hosts:
      kvm1: {uri: qemu:///system, migration_uri: qemu+ssh://root@kvm1/system}
      kvm2: {uri: qemu+ssh://root@kvm2/system}
    network: 10.0.30.12
    bandwidth: 400MiB/s
    downtime_ms: 500
    auto_converge: true
  delegate_to: kvm1

- name: Without what binds it to its host, and with more memory once it is there
  kvm.fleet.migration:
    name: web
    host: kvm2
    hosts:
      kvm1: {uri: qemu+ssh://root@kvm1/system}
      kvm2: {uri: qemu+ssh://root@kvm2/system}
    vm:
      cdroms:
        - {name: tools, file: ""}
      nics:
        - {name: passed-through, state: absent}
      memory: 8GiB
  delegate_to: localhost

- name: To other names of pools and vswitches, and the old disks go
  kvm.fleet.migration:
    name: web
    host: kvm2
    hosts:
      kvm1: {uri: qemu+ssh://root@kvm1/system}
      kvm2: {uri: qemu+ssh://root@kvm2/system}
    map:
      pools: {fast: nvme}
      vswitches: {prod: prod-b}
    remove_source_storage: true
  delegate_to: localhost

- name: A guest that writes faster than the network takes it stands still until it is there
  kvm.fleet.migration:
    name: database
    host: kvm2
    hosts:
      kvm1: {uri: qemu+ssh://root@kvm1/system}
      kvm2: {uri: qemu+ssh://root@kvm2/system}
    timeout_s: 900
    on_timeout: pause
  delegate_to: localhost
"""

RETURN = r"""
changed:
  description: Whether the VM was moved or changed, or would be in check mode.
  returned: success
  type: bool
  sample: true
plan:
  description: What is done, in its order; none where the VM lives there and is as declared.
  returned: success
  type: list
  elements: dict
  contains:
    resource:
      description: The move, or the VM or a volume that is changed before or after it.
      type: str
      sample: migration/web
    field:
      description: C(host), what is copied (C(copies)), and what goes or stays at the source; of a
        VM or a volume the option.
      type: str
      sample: host
    before:
      description: What it was.
      type: raw
      sample: kvm1
    after:
      description: What it will be.
      type: raw
      sample: kvm2
    class:
      description: C(live) where the VM runs on, C(stored) where it is off; of a VM or a volume as
        in their modules.
      type: str
      sample: live
    note:
      description: What else there is to say of it.
      returned: where there is something
      type: str
summary:
  description: The plan in one line.
  returned: success
  type: str
  sample: "plan: 1 change (1 live)"
diff:
  description: The plan as Ansible shows it.
  returned: success
  type: list
  elements: dict
host:
  description: The host on which it lives, or would.
  returned: success
  type: str
  sample: kvm2
source:
  description: The host from which it came, or would; empty where it is there already, and a run
    that was interrupted is only finished.
  returned: when something is changed
  type: str
  sample: kvm1
mode:
  description: By which mode, and why.
  returned: when something is changed
  type: dict
  contains:
    name:
      description: V(live) or V(offline).
      type: str
      sample: live
    storage:
      description: V(shared), or V(copied) where the data of a disk has to go over.
      type: str
      sample: copied
    why:
      description: Why by that.
      type: str
      sample: it runs
disks:
  description: What becomes of each disk. What is not known of one is left out.
  returned: success
  type: list
  elements: dict
  sample:
    - name: root
      target: vda
      how: copied
      source: /var/lib/libvirt/images/web.qcow2
      there: /srv/nvme/web.qcow2
      why: it is on storage of the source alone
report:
  description: What was found of each prerequisite, as M(kvm.fleet.migration_check) returns it.
  returned: success
  type: list
  elements: dict
  sample:
    - {check: cpu, result: pass, about: "", message: the target has its CPU, source: "", target: "",
       todo: ""}
pending_restart:
  description: What of O(vm) waits for a restart, as M(kvm.fleet.vm) returns it.
  returned: where O(vm) is given
  type: list
  elements: dict
  sample: []
statistics:
  description: What the move took.
  returned: when it was moved
  type: dict
  contains:
    mode:
      description: V(live) or V(offline).
      type: str
      sample: live
    total_ms:
      description: How long it took, by libvirt's own count.
      type: int
      sample: 8070
    waited_ms:
      description: How long the module waited for it, live.
      type: int
      sample: 8351
    downtime_ms:
      description: How long the guest stood still, live; none where that is not known. Libvirt
        reckons it by the clocks of both hosts, so synchronise them.
      type: int
      sample: 78
    downtime_limit_ms:
      description: What O(downtime_ms) is.
      type: int
      sample: 500
    within_downtime:
      description: Whether it did not stand still for longer.
      type: bool
      sample: true
    setup_ms:
      description: How long the preparation took.
      type: int
      sample: 2
    rounds:
      description: How often the memory that was written meanwhile was sent again.
      type: int
      sample: 3
    rate_bytes_per_s:
      description: How much went over in a second, on average.
      type: int
      sample: 3073443
    memory:
      description: What went over of the memory. Of a saved VM, how large its image is.
      type: dict
      sample:
        total_bytes: 33947648
        transferred_bytes: 16283007
        zero_pages: 4338
        dirty_pages_per_s: 0
        page_bytes: 4096
    disks:
      description: What went over of the disks.
      type: dict
      sample: {total_bytes: 8519680, transferred_bytes: 8519680}
    state_bytes:
      description: What went over of the firmware's variables and the TPM's state, off.
      type: int
      sample: 546770
    throttled_percent:
      description: By how much the guest was slowed down at last (O(auto_converge)).
      type: int
      sample: 40
    progress:
      description: How far it was, of each few percent, while it ran.
      type: list
      elements: dict
      sample:
        - seconds: 2.7
          percent: 24
          remaining_bytes: 32186368
          transferred_bytes: 9297512
          bytes_per_s: 4207820
          rounds: 1
    notes:
      description: What there is to know of these numbers.
      type: list
      elements: str
      sample: []
errors:
  description: Everything that stands against the move, or what went wrong.
  returned: failure
  type: list
  elements: str
  sample:
    - "migration/web disks.root: the target has no pool fast to copy it into; make it, or say
      map: {pools: {fast: NAME}}"
"""

from ..module_utils.moving.hosts import HOSTS_SPEC
from ..module_utils.moving.options import OPTIONS_SPEC
from ..module_utils.run.module import create_module
from ..module_utils.run.moving import run
from ..module_utils.run.moving_changes import SPEC, options_within


def main() -> None:
    """Have one VM live on its host."""
    run(create_module({**HOSTS_SPEC, **OPTIONS_SPEC, **SPEC}, options_within()))


if __name__ == "__main__":
    main()

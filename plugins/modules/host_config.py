#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_config: declares everything that a KVM host carries."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_config
short_description: Declares everything that a KVM host carries, in one task
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Takes the resource pools, storage pools, volumes, vswitches and VMs of one host, and makes them
    be as they are declared, over one connection. The items of each list take the options of the
    module for one such thing, and mean the same as there.
  - All declarations are checked before the first change, each by itself, against the others, and
    against the host. Every mistake in any of them is reported, and then nothing is changed.
  - In check mode a file, image or bridge that is not there yet may be what an earlier task of the
    play would make. It gives a warning there, and an error in a run.
  - The order in the lists does not matter. First go the VMs that are absent. Then pools, volumes,
    vswitches and VMs are made and changed, in this order, a linked clone or copy after the volume
    that it is made from. Last go vswitches, volumes and pools that are absent. Resource pools come
    before all others, and go after them.
  - When one thing fails, what needs it is not touched, and everything else is still done. The
    task then fails and names every error; RV(results) says what became of each thing.
  - Afterwards everything that was changed is read back and planned again. A field that is not as
    planned fails the task.
options:
  resource_pools:
    description:
      - Resource pools, with the options of M(kvm.fleet.resource_pool).
    type: list
    elements: dict
  storage_pools:
    description:
      - Storage pools, with the options of M(kvm.fleet.storage_pool).
    type: list
    elements: dict
  storage_volumes:
    description:
      - Volumes, with the options of M(kvm.fleet.storage_volume). Volumes that disks of VMs bring
        with them are not declared here again.
    type: list
    elements: dict
  vswitches:
    description:
      - Virtual switches, with the options of M(kvm.fleet.vswitch).
    type: list
    elements: dict
  vms:
    description:
      - VMs, with the options of M(kvm.fleet.vm).
    type: list
    elements: dict
  vm_defaults:
    description:
      - Options of M(kvm.fleet.vm) that every VM in O(vms) has which does not say otherwise. A VM
        that has an option from here is planned and shown as one that says it itself.
      - Dictionaries such as C(memory) and C(tags) are merged. C(disks) and C(nics) are merged by
        the names of the things in them, and one that a VM does not name is added to it; with
        C(state=absent) for it, the VM has it not. Other lists are replaced as a whole.
      - A disk or NIC that says in its own way what it stands on (C(file) instead of C(pool),
        C(image) instead of C(backing), C(bridge) instead of C(vswitch)) drops the way of the
        defaults.
      - Of the defaults a VM that is absent takes C(shutdown) only. C(name), C(state=absent) and
        C(remove_storage) are no defaults.
    type: dict
  vm_groups:
    description:
      - VMs of which there are many of a kind. C({name=web, count=10}) declares V(web-1) to
        V(web-10), each as if it stood in O(vms) with what O(vm_groups[].vm) says.
      - A group knows its members by a note in their metadata, which is the option C(group) of
        M(kvm.fleet.vm). With a smaller O(vm_groups[].count) those leave that are no longer
        declared, the highest number first. They go as by C(state=absent), before anything else is
        changed. A VM that is called like a member, and has no note, never goes.
      - A group that is left out leaves its VMs as they are, unless O(prune) removes VMs that are
        not declared. C(count=0) empties it.
      - A VM in O(vms) that is a member as well is an error. One whose C(group) is an empty string
        has left the group, and stays.
      - Members for which a plan says the same are one in RV(diff) and RV(summary). RV(plan) and
        RV(results) have each.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name of the group, which no other group on this host has.
        type: str
        required: true
      count:
        description:
          - How many VMs there are, 0 to 1000.
        type: int
        required: true
      start:
        description:
          - The number of the first.
        type: int
        default: 1
      name_format:
        description:
          - How the VMs are called, with C(%{index}) in it once, or C(%{index:02}) for a number of
            two digits. NAME-C(%{index}) if it is omitted. To write it in another way makes other
            VMs, and leaves those that are there.
        type: str
      vm:
        description:
          - Options of M(kvm.fleet.vm) that each of them has, over those of O(vm_defaults).
          - C(%{index}) in a text is the number of the VM, C(%{name}) its name. C(%{index:03}) is at
            least three digits, C(%{index:02x}) hexadecimal, as in a MAC address.
            C(%{index + 100}), C(%{index - 1}) and C(%{index * 2 + 100}) are numbers that follow
            from it. Anything else behind C(%{) is an error. C(%%{) stands for C(%{) itself.
          - These are no templates of Ansible, which makes C({{ index }}) something else before this
            module sees it. In a text that is C(!unsafe), C({{ index }}) is taken as C(%{index}).
          - A text that begins with C(%), or stands within C({}) of YAML, needs quotes.
          - In O(vm_defaults) there are no placeholders.
        type: dict
        default: {}
      adopt:
        description:
          - Whether a VM that is there already, is called like a member and is none, becomes one.
            Otherwise it is an error that names the VM.
          - It is changed as far as something else is declared of it, and goes as others do when it
            leaves.
        type: bool
        default: false
      remove_storage:
        description:
          - Whether the volumes of members that leave go with them, as by C(remove_storage) of
            M(kvm.fleet.vm).
        type: bool
        default: false
      drain:
        description:
          - With V(required) only members leave that are named in O(drained). Otherwise a run fails
            before it changes anything, and check mode warns.
        type: str
        choices: [none, required]
        default: none
  drained:
    description:
      - The VMs from which the load was taken, so that they may leave their groups. The playbook
        C(kvm.fleet.scale) drains, and names them.
    type: list
    elements: str
    default: []
  prune:
    description:
      - Whether VMs, vswitches and resource pools go that are not declared here, but were made by
        this collection.
        It knows them by a mark in their metadata that names their UUID, so that a clone by another
        program is not taken for one of them.
      - It keeps to the lists that are given. Where O(vms) is omitted, no VM goes, where
        O(vswitches) is, no vswitch, and where O(resource_pools) is, no resource pool. A list that
        names nothing which is to be there is an error, unless C(empty) says that this is meant.
      - V(true) prunes what is of no scope. To say more, write a dictionary of these keys.
      - C(scope) is the name of the set of declarations that this task is. All that it declares
        gets this scope, which is in the plan, and only what has it goes. So several tasks can
        declare parts of one host, and each prunes its own.
      - With C(tags), only what has all of these tags goes. Vswitches and resource pools have none,
        so that none of them goes then.
      - With C(empty=true) a list may name nothing that is to be there, and everything goes.
      - What is C(protected) stays, which is a warning, and so do storage pools,
        volumes, and everything that somebody else made or renamed. A VM that runs is shut down, and
        stays if its guest does not within two minutes, which fails the task. What belongs to a VM
        stays as with C(state=absent), namely its disks, its NVRAM and the state of its TPM.
      - The plan shows what goes; look at it in check mode first.
    type: raw
    default: false
  prune_limit:
    description:
      - How many things may go by O(prune) in one run. If there are more, the task fails and names
        them, and nothing is changed.
    type: int
    default: 5
extends_documentation_fragment:
  - kvm.fleet.common.plans
  - kvm.fleet.common.admission
  - kvm.fleet.common.attributes
seealso:
  - module: kvm.fleet.resource_pool
  - module: kvm.fleet.storage_pool
  - module: kvm.fleet.storage_volume
  - module: kvm.fleet.vswitch
  - module: kvm.fleet.vm
  - module: kvm.fleet.host_info
"""

EXAMPLES = r"""
- name: What this host carries, and nothing that was declared for it earlier
  kvm.fleet.host_config:
    prune: true
    prune_limit: 2
    storage_pools:
      - name: images
        type: dir
        path: /srv/images
    storage_volumes:
      - pool: images
        name: debian-12.qcow2
        image: /srv/downloads/debian-12-genericcloud-amd64.qcow2
    vswitches:
      - name: lan
        type: nat
        address: 192.168.50.1/24
        dhcp:
          ranges:
            - {start: 192.168.50.100, end: 192.168.50.199}
    vms:
      - name: web
        state: running
        autostart: true
        cpu: {count: 2}
        memory: {size: 2GiB}
        disks:
          - name: root
            pool: images
            backing: {volume: debian-12.qcow2}
            capacity: 20GiB
        nics:
          - {name: lan, vswitch: lan}
      - name: db
        state: running
        protected: true
        cpu: {count: 4}
        memory: {size: 8GiB}
        disks:
          - name: root
            pool: images
            backing: {volume: debian-12.qcow2}
            capacity: 20GiB
          - {name: data, pool: images, capacity: 200GiB}
        nics:
          - {name: lan, vswitch: lan}

- name: Many VMs that have most in common
  kvm.fleet.host_config:
    vm_defaults:
      state: running
      autostart: true
      memory: {size: 2GiB}
      disks:
        - {name: root, pool: images, backing: {volume: debian-12.qcow2}, capacity: 20GiB}
      nics:
        - {name: lan, vswitch: lan}
    vms:
      - name: web
      - name: mail
      - name: db
        memory: {size: 8GiB}
        disks:
          - {name: root, capacity: 40GiB}
          - {name: data, pool: images, capacity: 200GiB}

- name: Ten web servers, each with an address and a name of its own
  kvm.fleet.host_config:
    vm_groups:
      - name: web
        count: 10
        vm:
          state: running
          memory: {size: 2GiB}
          disks:
            - {name: root, pool: images, backing: {volume: debian-12.qcow2}, capacity: 20GiB}
          nics:
            - {name: lan, vswitch: lan}
          cloud_init:
            hostname: "%{name}.example.com"
            nics:
              - {name: lan, address: "192.168.50.%{index + 100}/24", gateway: 192.168.50.1}

- name: The shop's VMs, beside those that other playbooks declare on the same host
  kvm.fleet.host_config:
    vms: "{{ shop_vms }}"
    prune:
      scope: shop

- name: No VM of the shop any more
  kvm.fleet.host_config:
    vms: []
    prune:
      scope: shop
      empty: true

- name: What is declared for this host in the inventory
  kvm.fleet.host_config:
    storage_pools: "{{ kvm_storage_pools }}"
    vswitches: "{{ kvm_vswitches }}"
    vms: "{{ kvm_vms }}"
  register: applied

- name: Say which VMs have to be restarted
  ansible.builtin.debug:
    msg: "{{ item.resource }} waits for a restart: {{ item.pending_restart | join(', ') }}"
  loop: "{{ applied.results | selectattr('pending_restart', 'defined') }}"
  loop_control:
    label: "{{ item.resource }}"
"""

RETURN = r"""
results:
  description: Each thing that was declared or pruned, in the order in which they were applied.
  returned: when the declarations are free of mistakes
  type: list
  elements: dict
  contains:
    resource:
      description: What it is.
      type: str
      returned: always
      sample: vm/web
    action:
      description: What the plan says, V(none), V(create), V(update) or V(delete).
      type: str
      returned: always
      sample: update
    changed:
      description: Whether it was changed, in check mode whether it would be.
      type: bool
      returned: always
      sample: true
    error:
      description: What failed, or that it was not touched because something that it needs failed.
      type: str
      returned: when it failed
      sample: "vm/web: was not touched, it needs vswitch/lan, which failed"
    pending_restart:
      description: The fields that take effect when it is next started.
      type: list
      elements: str
      returned: when there are any
      sample: [cpu.maximum]
    wait:
      description: What was waited for, as M(kvm.fleet.vm) returns it.
      type: dict
      returned: of a VM for which something is waited for
      sample: {for: ssh, timeout_s: 300, address: 192.168.50.117, waited_s: 21.4}
vm_groups:
  description: Of each group that is declared, the names of its VMs.
  returned: when O(vm_groups) is given, and the declarations are free of mistakes
  type: dict
  contains:
    members:
      description: Those that are to be there.
      type: list
      elements: str
    coming:
      description: Those among them that are made.
      type: list
      elements: str
    leaving:
      description: Those that go, in this order.
      type: list
      elements: str
  sample:
    web: {members: [web-1, web-2, web-3], coming: [], leaving: [web-5, web-4]}
summary:
  description: The plan in one line, as it ends RV(diff); how many changes of which class, what is
    restarted, what waits for a restart, and what is removed.
  returned: when the declarations are free of mistakes
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
    vm/web:
      digest: 1f0d8ae2b3c94a5d9d1c6a3c5f2e7b80
      facts: {"vm web": 8c1f2d3e4b5a6978}
      plan: 0a1b2c3d4e5f6071
plan:
  description: All that changes, in check mode all that would change.
  returned: when the declarations are free of mistakes
  type: list
  elements: dict
  contains:
    resource:
      description: What is changed.
      type: str
      returned: always
      sample: vm/web
    field:
      description: The option.
      type: str
      returned: always
      sample: cpu.count
    before:
      description: Its value as it was stored.
      type: raw
      returned: always
      sample: 2
    after:
      description: Its value as it will be; V(kept) of data that stays though its VM goes.
      type: raw
      returned: always
      sample: 4
    live:
      description: Its value in what runs, where that is another than the stored one.
      type: raw
      returned: when it differs
      sample: 1
    class:
      description:
        - V(live) takes effect now, V(hotplug) too, as a device that comes or goes, V(restart) when
          the thing is next started. V(stored) is a change of the definition that needs no effect on
          what runs.
      type: str
      returned: always
      sample: live
    note:
      description: What else happens.
      type: str
      returned: when there is something to say
      sample: shutdown
diff:
  description: The same as a before and after in YAML, for each thing that changes, and RV(summary).
    Members of a group for which it is the same are one.
  returned: when the declarations are free of mistakes
  type: list
  elements: dict
pending_restart:
  description: Fields that take effect when the thing is next started, as in RV(plan).
  returned: when the declarations are free of mistakes
  type: list
  elements: dict
errors:
  description: Every mistake in the declarations, or everything that failed.
  returned: failure
  type: list
  elements: str
  sample:
    - "vm/web nics.lan.vswitch: the vswitch lan does not exist; declare it, or name one that does"
warnings:
  description: What to know about the plan.
  returned: when there is something to say
  type: list
  elements: str
"""

from ..module_utils.kinds.together import taken_up
from ..module_utils.run import host_config
from ..module_utils.run.module import ADMISSION_SPEC, CHANGES_SPEC, create_module
from ..module_utils.run.planning import Promising, Rule
from ..module_utils.run.runner import Waiting, run


def _rules_of_changes() -> tuple[Rule, ...]:
    from ..module_utils.kinds.together.vm_rules import RULES

    return RULES


def _promising() -> Promising:
    from ..module_utils.run import promising

    return promising


def _waiting() -> Waiting:
    from ..module_utils.run.waiting import waiting

    return waiting


def main() -> None:
    spec = {**CHANGES_SPEC, **ADMISSION_SPEC, **host_config.SPEC}
    module = create_module(spec, host_config.options_within())
    run(
        module,
        kinds=host_config.KINDS,
        parse=host_config.parse,
        rules=(taken_up.none_unwelcome,),
        rules_of_changes=_rules_of_changes,
        promising=_promising,
        waiting=_waiting,
        more=host_config.more(module.params, module.warn),
    )


if __name__ == "__main__":
    main()

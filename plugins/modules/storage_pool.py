#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module storage_pool: declares a storage pool of a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_pool
short_description: Declares a storage pool of a KVM host
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Defines a libvirt storage pool, makes what it stands on, and starts it.
  - A definition that exists is edited in place. An option that is omitted keeps what it has.
  - Nothing of a pool's definition can change while it is active. What changes is stored, and
    reported in RV(pending_restart) until the pool is restarted, which O(apply=restart) does.
options:
  name:
    description: The name of the pool.
    type: str
    required: true
  state:
    description:
      - V(active) is defined and active, V(inactive) defined and not active.
      - V(present) is defined, and whether it is active stays as it is. A new one is not active.
      - V(absent) stops the pool and removes its definition. The volumes in it stay as they are. A
        pool from which VMs run stays too, which is an error.
    type: str
    choices: [active, inactive, present, absent]
    default: active
  type:
    description:
      - What the pool stands on. Needed for a new pool; the type of a pool cannot change.
      - "V(dir): a directory. Needs O(path)."
      - "V(fs): a file system, mounted on O(path). Needs O(path) and O(source.device)."
      - "V(netfs): a network file system such as NFS. Needs O(path), O(source.host) and
        O(source.path)."
      - "V(logical): an LVM volume group, made of O(source.devices) if it does not exist."
      - "V(disk): a disk whose partitions are the volumes. Needs O(source.device)."
      - "V(iscsi): the units of an iSCSI target. Needs O(source.host) and O(source.device)."
      - "V(iscsi-direct): the same without the host's own initiator. Needs O(source.initiator) too."
      - "V(mpath): the multipath devices of the host."
      - "V(rbd): a Ceph pool. Needs O(source.name) and O(source.hosts)."
      - "V(zfs): a ZFS pool, made of O(source.devices) if it does not exist."
    type: str
    choices: [dir, fs, netfs, logical, disk, iscsi, iscsi-direct, mpath, rbd, zfs]
  path:
    description:
      - Where the volumes are found, an absolute path.
      - A new pool of type V(disk) has V(/dev), one of type V(iscsi) V(/dev/disk/by-path), and one
        of type V(mpath) V(/dev/mapper) if nothing else is said.
      - When it changes, volumes stay at the former path.
    type: str
  permissions:
    description: Of the directory, for O(type=dir).
    type: dict
    suboptions:
      mode:
        description: The mode as a quoted octal number, such as V('0711').
        type: raw
      owner:
        description: The number of the user that owns it.
        type: int
      group:
        description: The number of the group that owns it.
        type: int
  source:
    description: What the pool stands on, as its type needs it.
    type: dict
    suboptions:
      path:
        description: The directory that a network file system exports.
        type: str
      name:
        description:
          - The volume group, Ceph pool or ZFS pool; by default it is called as the pool is.
        type: str
      format:
        description:
          - For O(type=fs) the file system, such as V(ext4) or V(xfs). If it is not said, the
            device must have a file system already.
          - For O(type=netfs) V(nfs), V(glusterfs), V(cifs) or V(auto).
          - For O(type=disk) the partition table, such as V(gpt) or V(dos).
          - For O(type=logical) V(lvm2).
        type: str
      host:
        description: The server.
        type: str
      port:
        description: The server's port.
        type: int
      hosts:
        description: The Ceph monitors.
        type: list
        elements: dict
        suboptions:
          name:
            description: The monitor's name or address.
            type: str
            required: true
          port:
            description: The monitor's port.
            type: int
          state:
            description: V(absent) takes it out of the list.
            type: str
            choices: [present, absent]
            default: present
      device:
        description: The device of the file system, the disk, or the name of the iSCSI target.
        type: str
      devices:
        description:
          - The devices that the volume group or ZFS pool is made of.
          - A lasting name such as V(/dev/disk/by-id/ata-X) is the safe way to write one. For a
            volume group it is stored as the device that it is at the time, since libvirt does not
            follow it.
        type: list
        elements: dict
        suboptions:
          path:
            description: The path of the device.
            type: str
            required: true
          state:
            description: V(absent) takes it out of the definition. It does not change the storage.
            type: str
            choices: [present, absent]
            default: present
      initiator:
        description: The iSCSI name that the host uses (IQN).
        type: str
      protocol_version:
        description: The version of NFS, such as V(4.2).
        type: str
      auth:
        description: How the host proves itself to the server.
        type: dict
        suboptions:
          type:
            description: V(chap) for iSCSI, V(ceph) for Ceph.
            type: str
            choices: [chap, ceph]
          username:
            description: The user's name.
            type: str
          secret:
            description: The usage name of the libvirt secret that holds the password.
            type: str
  autostart:
    description:
      - Whether the pool starts with the host.
      - A new pool does, if it is declared as V(present) and nothing is said.
    type: bool
  build:
    description:
      - Whether to make what the pool stands on before it is started, the directory, file system,
        partition table or volume group. What exists is never overwritten, and a pool on a device
        that a disk of a VM has is an error.
    type: bool
    default: true
  apply:
    description:
      - V(live) leaves an active pool active; what can only change by a restart waits for one.
      - V(restart) stops and starts a pool that has something waiting. Running VMs keep the files
        of a directory open meanwhile; a mounted file system that is in use refuses to be stopped.
        With O(state=present) a run that is interrupted between stop and start leaves it inactive.
    type: str
    choices: [live, restart]
    default: live
notes:
  - A pool of type V(dir) or V(fs) was tried on a host by the tests of this collection. The other
    types are declared after libvirt's documentation.
extends_documentation_fragment:
  - kvm.fleet.common.plans
  - kvm.fleet.common.attributes
seealso:
  - module: kvm.fleet.storage_volume
  - module: kvm.fleet.storage_info
  - name: Storage pools of libvirt
    description: The format that the options follow.
    link: https://libvirt.org/formatstorage.html
"""

EXAMPLES = r"""
- name: A directory for images
  kvm.fleet.storage_pool:
    name: images
    type: dir
    path: /var/lib/libvirt/images
    permissions:
      mode: "0711"

- name: An NFS share
  kvm.fleet.storage_pool:
    name: shared
    type: netfs
    path: /srv/shared
    source:
      host: nfs.example.com
      path: /export/vms
      format: nfs
      protocol_version: "4.2"

- name: A volume group on two disks
  kvm.fleet.storage_pool:
    name: fast
    type: logical
    source:
      name: vg_fast
      devices:
        - path: /dev/nvme0n1
        - path: /dev/nvme1n1

- name: A pool that is no longer needed; its volumes stay
  kvm.fleet.storage_pool:
    name: old
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
    storage_pool/images:
      digest: 1f0d8ae2b3c94a5d9d1c6a3c5f2e7b80
      facts: {"storage_pool images": 8c1f2d3e4b5a6978}
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
      sample: storage_pool/images
    field:
      description: The option that it is about.
      type: str
      sample: permissions.mode
    before:
      description: What was stored.
      type: raw
    after:
      description: What is stored now.
      type: raw
    class:
      description:
        - C(stored) changes the definition, C(live) takes effect at once, C(restart) when the pool
          is next started.
      type: str
      sample: restart
pending_restart:
  description: What is stored and waits for the pool to be restarted, as in RV(plan).
  returned: always
  type: list
  elements: dict
storage_pool:
  description: The pool as it is afterwards, or would be in check mode.
  returned: success
  type: dict
  sample:
    name: images
    uuid: 2f3f8e3c-3f0e-5b0c-8a6e-0d6f1f5c8f1a
    state: active
    autostart: true
    persistent: true
    type: dir
    path: /var/lib/libvirt/images
    permissions: {mode: "0711", owner: 0, group: 0}
    capacity_bytes: 270553174016
    allocation_bytes: 28416770048
    available_bytes: 242136403968
"""

from ..module_utils.kinds.images import one_writer
from ..module_utils.kinds.storage_pool.kind import KIND
from ..module_utils.kinds.together import rules
from ..module_utils.run.module import CHANGES_SPEC, create_module
from ..module_utils.run.planning import Rule
from ..module_utils.run.runner import run


def _rules_of_changes() -> tuple[Rule, ...]:

    return (
        rules.nothing_in_use_goes,
        one_writer.one_writer,
    )


def main() -> None:
    """Converge one storage pool."""
    module = create_module({**CHANGES_SPEC, **KIND.spec()})
    run(
        module,
        kinds=(KIND,),
        parse=KIND.parse,
        shown=KIND.name,
        rules_of_changes=_rules_of_changes,
    )


if __name__ == "__main__":
    main()

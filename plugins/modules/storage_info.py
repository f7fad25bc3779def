#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module storage_info: tells of the storage pools and volumes of a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_info
short_description: Tells of the storage pools and volumes of a KVM host
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Reads the storage pools of a host over one connection, and on request their volumes with the
    VMs that use them.
  - libvirt tells of the volumes that it saw when it last looked at a pool.
options:
  pools:
    description:
      - The pools to tell of, all if none is named. One that does not exist has the state
        V(absent).
    type: list
    elements: str
  volumes:
    description: Whether to tell of the volumes too.
    type: bool
    default: false
extends_documentation_fragment:
  - kvm.fleet.common
  - kvm.fleet.common.reads
seealso:
  - module: kvm.fleet.storage_pool
  - module: kvm.fleet.storage_volume
"""

EXAMPLES = r"""
- name: The pools of this host and what is in them
  kvm.fleet.storage_info:
    volumes: true
  register: storage

- name: Stop where a pool is nearly full
  ansible.builtin.assert:
    that: item.available_bytes > 10 * 1024 ** 3
  loop: "{{ storage.pools | selectattr('state', 'equalto', 'active') }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
pools:
  description: The pools, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the pool.
      type: str
      sample: images
    state:
      description: V(active), V(inactive) or V(absent). Of an absent pool nothing else is told.
      type: str
      sample: active
    uuid:
      description: The pool's UUID.
      type: str
      sample: 2f3f8e3c-3f0e-5b0c-8a6e-0d6f1f5c8f1a
    type:
      description: What it stands on.
      type: str
      sample: dir
    autostart:
      description: Whether it starts with the host.
      type: bool
      sample: true
    persistent:
      description: Whether it is defined, and not only active until it is stopped.
      type: bool
      sample: true
    path:
      description: Where its volumes are found.
      type: str
      sample: /var/lib/libvirt/images
    permissions:
      description: Of its directory, as far as they are known.
      type: dict
      sample: {mode: "0711", owner: 0, group: 0}
    source:
      description: What it stands on, as options of M(kvm.fleet.storage_pool).
      type: dict
      sample: {format: ext4, device: /dev/sdb1}
    capacity_bytes:
      description: How much an active pool can hold.
      type: int
      sample: 270553174016
    allocation_bytes:
      description: How much of it is taken.
      type: int
      sample: 28416770048
    available_bytes:
      description: How much is left.
      type: int
      sample: 242136403968
    unmanaged:
      description:
        - What the stored definition says and no option of M(kvm.fleet.storage_pool) can for this
          type of pool, as paths in its XML. Every change keeps it.
      type: list
      elements: str
      sample: [features, target/permissions/label]
    volumes:
      description: The volumes of an active pool, if O(volumes) was asked for.
      returned: when asked for
      type: list
      elements: dict
      contains:
        pool:
          description: The pool.
          type: str
          sample: images
        name:
          description: The name of the volume.
          type: str
          sample: web.qcow2
        state:
          description: V(present), or V(half-made) of one that is being made or was left so.
          type: str
          sample: present
        path:
          description: Where it is on the host.
          type: str
          sample: /var/lib/libvirt/images/web.qcow2
        format:
          description: V(qcow2), V(raw), or another that libvirt found.
          type: str
          sample: qcow2
        capacity:
          description: The size that a guest sees.
          type: str
          sample: 20GiB
        capacity_bytes:
          description: The same in bytes.
          type: int
          sample: 21474836480
        allocation_bytes:
          description: How much it takes in the pool.
          type: int
          sample: 200704
        backing:
          description: What a linked clone stands on, as the option of M(kvm.fleet.storage_volume).
          type: dict
          sample: {file: /var/lib/libvirt/images/debian-12.qcow2}
        used_by:
          description: The VMs that have a disk on it, as they are stored or as they run.
          type: list
          elements: str
          sample: [web]
"""

from ..module_utils.information.module import tell
from ..module_utils.information.storage_facts import gather


def main() -> None:
    """Tell of the storage of one host."""
    spec = {
        "pools": {"type": "list", "elements": "str"},
        "volumes": {"type": "bool", "default": False},
    }
    tell(spec, gather)


if __name__ == "__main__":
    main()

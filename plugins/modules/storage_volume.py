#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module storage_volume: declares a volume of a storage pool."""

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_volume
short_description: Declares a volume of a storage pool
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Makes a volume in a libvirt storage pool, empty or from something that exists, and grows it.
  - What a volume is made from counts when it is made. On a volume that exists, only its
    O(capacity) can change, and only upwards; another O(format) or O(backing) than it has is an
    error.
  - A volume that is being made has an empty volume C(.NAME.partial) beside it. What an interrupted
    run leaves is known by it, and the next run makes the volume anew.
options:
  pool:
    description: The pool. It must be active.
    type: str
    required: true
  name:
    description: The name of the volume in its pool.
    type: str
    required: true
  state:
    description:
      - V(absent) deletes the volume with all that is in it. It is an error if a VM has a disk on
        it, or a linked clone in an active pool stands on it.
    type: str
    choices: [present, absent]
    default: present
  capacity:
    description:
      - The size that a guest sees, such as V(20GiB). Needed for a volume that is made empty; what
        is made from something else has the capacity of that if nothing is said.
      - A volume in use by running VMs grows too, and they see it at once. To shrink one is an
        error, and so it is to grow one on which snapshots or linked clones stand.
      - libvirt cannot grow volumes of pools of type C(logical), C(disk) and C(zfs).
    type: str
  format:
    description:
      - V(qcow2) by default in pools of files. Volumes of other pools are V(raw).
      - An image that is uploaded keeps its format, which must be this one if it is said.
    type: str
    choices: [qcow2, raw]
  provisioning:
    description:
      - V(thin) takes space as it is written to, V(thick) takes all of it at once.
      - V(thin) by default in pools of files. Volumes of pools of type C(logical), C(disk) and
        C(zfs) are always V(thick).
    type: str
    choices: [thin, thick]
  copy_of:
    description:
      - Make it as a full copy of another volume, in another format if O(format) says so.
      - It is an error if a running VM writes to that.
    type: dict
    suboptions:
      pool:
        description: The pool of that volume, by default the same.
        type: str
      volume:
        description: The name of that volume.
        type: str
        required: true
  backing:
    description:
      - Make it as a linked clone, which holds only what differs from what it stands on.
      - That must not be changed or removed as long as there are clones of it, so it must be no disk
        to which a VM writes.
    type: dict
    suboptions:
      pool:
        description: The pool of the volume, by default the same.
        type: str
      volume:
        description: The volume to stand on.
        type: str
      file:
        description: The file on the host to stand on, instead of a volume.
        type: path
      format:
        description:
          - The format of the file. Needed only if the host is not the machine where the module
            runs.
        type: str
        choices: [qcow2, raw]
  image:
    description:
      - Make it from this image, a file of the machine where the module runs (also as
        C(file://...)), or what comes from a URL (V(https://...), V(http://...)).
      - From a URL it is fetched by that machine when the volume is made, never in check mode and
        never for a volume that is there. What was cut off is gone on with, also by a later run. It
        is compared with its checksum before it becomes anything.
      - What comes may be packed (gzip, xz, bzip2, zstd) and of another format (vmdk, vhdx, vdi,
        vpc, qcow2, raw); its content tells, and C(qemu-img) converts it. One that names other
        files, as a backing file, is refused.
    type: path
  checksum:
    description:
      - What the image must be, as V(sha256:) or V(sha512:) and the digits.
      - Of an image by URL, by which it is needed, also V(sha256:) or V(sha512:) and the URL of a
        list of checksums, C(SHA256SUMS) as GNU or BSD write it, which is fetched when the plan is
        made; or V(none), which takes whatever comes and keeps it in no library.
      - Where it is declared as digits, a volume that is there and was made from another image by
        URL is refused, with those who stand on it; nothing is written over. Name another volume
        then.
    type: str
  download:
    description: How an image by URL is fetched.
    type: dict
    suboptions:
      library:
        description:
          - The folder in which images are kept as they came, each named by its checksum, so that
            one fetch is enough for all volumes of it. By default C(/var/lib/kvm-fleet/images), of
            others than root C(~/.cache/kvm-fleet/images). What is in it may be removed at any time.
        type: path
      proxy:
        description:
          - The URL of a proxy. By default those of the environment, C(http_proxy), C(https_proxy)
            and C(no_proxy).
        type: str
      validate_certs:
        description: V(false) takes any certificate of the server; by default it must be trusted.
        type: bool
      ca_path:
        description: A file with the certificates of those who are trusted, instead of the system's.
        type: path
      username:
        description: By whom the server is asked, with O(download.password).
        type: str
      password:
        description: The password of that. It is not used for a list of checksums.
        type: str
      headers:
        description:
          - Headers for the server, such as a token. They go to no other that it leads to, and are
            not used for a list of checksums.
        type: dict
      timeout_s:
        description: For how many seconds nothing may come, by default 30.
        type: int
  existing:
    description:
      - What to do where the volume is there already. V(adopt), the default, takes it up as it is.
        V(error) refuses it, whoever made it, and so it refuses a second run.
    type: str
    choices: [adopt, error]
extends_documentation_fragment:
  - kvm.fleet.common.plans
  - kvm.fleet.common.attributes
seealso:
  - module: kvm.fleet.storage_pool
  - module: kvm.fleet.storage_info
"""

EXAMPLES = r"""
- name: An empty disk
  kvm.fleet.storage_volume:
    pool: images
    name: data.qcow2
    capacity: 100GiB

- name: An image that VMs are cloned from
  kvm.fleet.storage_volume:
    pool: images
    name: debian-12.qcow2
    image: /srv/images/debian-12-genericcloud-amd64.qcow2
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

- name: An image from its distributor, fetched where it is not there yet
  kvm.fleet.storage_volume:
    pool: images
    name: debian-12.qcow2
    image: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2
    checksum: sha512:https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS

- name: A packed image of a server that asks for a login
  kvm.fleet.storage_volume:
    pool: images
    name: golden-7.qcow2
    image: https://images.example.com/golden-7.vmdk.xz
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    download:
      username: kvm
      password: "{{ images_password }}"
      ca_path: /etc/ssl/example.pem

- name: A linked clone of it, larger than it
  kvm.fleet.storage_volume:
    pool: images
    name: web.qcow2
    backing:
      volume: debian-12.qcow2
    capacity: 20GiB

- name: A full copy in a volume group
  kvm.fleet.storage_volume:
    pool: fast
    name: database
    copy_of:
      pool: images
      volume: debian-12.qcow2
    capacity: 50GiB

- name: A volume that is no longer needed, with its contents
  kvm.fleet.storage_volume:
    pool: images
    name: data.qcow2
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
    storage_volume/images/data.qcow2:
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
      sample: storage_volume/images/web.qcow2
    field:
      description: The option that it is about.
      type: str
      sample: capacity
    before:
      description: What it was.
      type: raw
    after:
      description: What it is now.
      type: raw
    class:
      description: C(stored) for what a volume is made with, C(live) for what takes effect at once.
      type: str
      sample: live
fetched:
  description:
    - What was fetched for it, as C(bytes) of the image, C(fetched_bytes) of these that came now,
      C(resumed_at_bytes) that had come before, C(seconds), and its C(checksum); or that it was in
      the library (C(from_library)).
  returned: when a volume was made from an image by URL
  type: dict
  sample: {bytes: 441450496, fetched_bytes: 441450496, resumed_at_bytes: 0, seconds: 38.2,
           checksum: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
storage_volume:
  description: The volume as it is afterwards, or would be in check mode.
  returned: success
  type: dict
  sample:
    pool: images
    name: web.qcow2
    state: present
    path: /var/lib/libvirt/images/web.qcow2
    format: qcow2
    capacity: 20GiB
    capacity_bytes: 21474836480
    allocation_bytes: 200704
    backing: {file: /var/lib/libvirt/images/debian-12.qcow2}
"""

from ..module_utils.kinds.storage_volume.kind import KIND
from ..module_utils.kinds.together import taken_up
from ..module_utils.run.module import CHANGES_SPEC, create_module
from ..module_utils.run.planning import Rule
from ..module_utils.run.runner import run


def _rules_of_changes() -> tuple[Rule, ...]:
    from ..module_utils.kinds.images import one_writer
    from ..module_utils.kinds.together import rules
    from ..module_utils.kinds.vm import block_jobs

    return (
        rules.nothing_in_use_goes,
        one_writer.one_writer,
        block_jobs.no_job_is_disturbed,
    )


def main() -> None:
    """Converge one storage volume."""
    module = create_module({**CHANGES_SPEC, **KIND.spec()})
    run(
        module,
        kinds=(KIND,),
        parse=KIND.parse,
        shown=KIND.name,
        rules=(taken_up.none_unwelcome,),
        rules_of_changes=_rules_of_changes,
    )


if __name__ == "__main__":
    main()

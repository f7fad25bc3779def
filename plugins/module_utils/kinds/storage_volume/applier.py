# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes, grows and deletes storage volumes in libvirt.

A volume is made in several calls (define, fill, resize), any of which may be the last one that a
killed run or a killed libvirtd got to; and what libvirt had started, such as a copy by qemu-img,
may go on without it. libvirt can neither rename a volume nor keep a note in one. So a second, empty
volume stands beside the one that is being made, as a mark: `.NAME.partial`. As long as it is there
NAME counts as not existing, and the next run makes it anew. The mark also keeps two runs from
making one volume at once, since libvirt makes a name only once. For the same reason one run at a
time removes what was left in a pool: it marks the pool, by the mark of no volume.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...engine import xmltree
from ...engine.errors import FleetError
from ...engine.plan import CREATE, DELETE, UPDATE, Plan
from ...host.connection import Host, libvirt, patiently, said, wait_until
from .applier_changed import disks_on, make_as_planned
from .applier_origin import check_not_cut_off, laid_out_as_origin
from .applier_room import told_where_full
from .applier_upload import upload
from .meanings import why_it_stays
from .reader import OTHER_RUN_TIMEOUT_S, look_up_volume, refresh_pool, tree_of
from .volumes import (
    BLOCK_POOLS,
    FILE_POOLS,
    ZFS,
    allocates,
    capacity_of,
    mark_of,
    name_in_pool,
    pool_of,
)
from .zfs import same_key

# A marked volume that has not changed for this long belongs to no run any more.
QUIET_S = 5.0

# Stands in a pool as long as a run removes there what others left: the mark of no volume.
POOL_MARK = mark_of("")

# What something is known by as long as nobody touches it.
Fingerprint = tuple[Any, ...]

# Options by which a volume gets its content, in further calls. What moves comes from another host.
FILLED_BY = ("image", "copy_of", "moved")

MARK_BYTES = str(2**20)  # as little as all kinds of pools can allocate; nothing of it in files


# ---- make


def make(host: Host, plan: Plan) -> None:
    """Make a volume under its mark. What fails leaves nothing of it behind."""
    with told_where_full(host, plan), host.errors(plan.resource, "make it"):
        own = begin(host, plan)
        if own is not None:
            end(host, plan, own)


def begin(host: Host, plan: Plan) -> Fingerprint | None:
    """Make a volume that keeps its mark, which is told.

    None if there is one without, or another run made it: reading it back tells if it is right.
    """
    pool, name = _place(host, plan)
    own = _claim(host, plan, pool, name)
    if own is None:
        return None
    # Another run may have taken its mark away just before ours.
    if look_up_volume(pool, name) is None:
        _make_marked(host, plan, pool, own)
    _check_own(plan, pool, own)
    return own


def end(host: Host, plan: Plan, own: Fingerprint) -> None:
    """Take the mark from a volume that is whole."""
    pool, name = _place(host, plan)
    _check_own(plan, pool, own)
    _delete(pool, mark_of(name))


def take_mark(pool: Any, name: str) -> None:
    """Take the mark from a volume of a pool that another resource has had made."""
    _delete(pool, mark_of(name))


def mark_there(host: Host, plan: Plan) -> Fingerprint:
    """The mark of a volume that another run has begun; nothing where there is none."""
    pool, name = _place(host, plan)
    return _identity(pool, mark_of(name))


def check_own(host: Host, plan: Plan, own: Fingerprint) -> None:
    """That a volume which was begun is not another run's by now. FleetError where it is."""
    pool, _name = _place(host, plan)
    _check_own(plan, pool, own)


def undo(host: Host, plan: Plan, own: Fingerprint) -> None:
    """Remove a volume that was begun, and then its mark."""
    pool, _name = _place(host, plan)
    _clear_up(plan, pool, own)


def _make_marked(host: Host, plan: Plan, pool: Any, own: Fingerprint) -> None:
    try:
        _fill(host, plan, pool)
    except BaseException as error:
        if not _exists(error):  # without a mark of ours, which not all have, it is another run's
            _clear_up(plan, pool, own)
        raise


def _exists(error: Any) -> bool:
    """Whether libvirt did not make a volume since there is one of that name."""
    code = libvirt.VIR_ERR_STORAGE_VOL_EXIST
    return isinstance(error, libvirt.libvirtError) and error.get_error_code() == code


def _is_whole(pool: Any, name: str) -> bool:
    """Whether a volume is there without a mark, unseen since its pool was not active.

    In this order: another run that begins meanwhile sets its mark before it makes the volume.
    """
    return look_up_volume(pool, name) is not None and look_up_volume(pool, mark_of(name)) is None


def _place(host: Host, plan: Plan) -> tuple[Any, str]:
    """The pool of a volume, and the volume's name in it."""
    pool = pool_of(plan.wanted.name)
    with host.errors(plan.resource, f"find the pool {pool}"):
        return host.conn.storagePoolLookupByName(pool), name_in_pool(plan.wanted.name)


def _fill(host: Host, plan: Plan, pool: Any) -> None:
    tree, options = plan.after.definition, plan.wanted.options
    check_not_cut_off(host, plan)
    if options.get("image"):
        upload(host, plan.resource, pool, tree, options["image"])
    elif options.get("copy_of"):
        _copy(host, plan, pool, tree, options["copy_of"])
    else:
        patiently(lambda: pool.createXML(xmltree.serialise(tree), _flags(plan)))
        if plan.after.facts["pool_type"] == ZFS:  # libvirt tells what the last one there has
            refresh_pool(pool)
    volume = pool.storageVolLookupByName(name_in_pool(plan.wanted.name))
    capacity = capacity_of(plan.after)
    if volume.info()[1] < capacity:  # it got that of what it was made from
        patiently(lambda: volume.resize(capacity))


def _flags(plan: Plan) -> int:
    """A qcow2 is allocated only on request (storageBackendCreateQemuImgOpts in libvirt)."""
    asked = allocates(plan.after, plan.wanted.options.get("preallocation"))
    return int(libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA) if asked else 0


def _copy(host: Host, plan: Plan, pool: Any, tree: xmltree.Element, source: str) -> None:
    with host.errors(plan.resource, f"copy it from {source}"):
        source_pool = host.conn.storagePoolLookupByName(pool_of(source))
        volume = source_pool.storageVolLookupByName(name_in_pool(source))
        like = laid_out_as_origin(plan, tree, volume)
        patiently(lambda: pool.createXMLFrom(xmltree.serialise(like), volume, _flags(plan)))


# ---- the mark


def _claim(host: Host, plan: Plan, pool: Any, name: str) -> Fingerprint | None:
    """Mark a volume as being made, and tell the mark. None if the volume is there by now."""
    mark = mark_of(name)
    while not _is_whole(pool, name):
        if not _needs_mark(plan) and not _identity(pool, mark):
            return ()
        if _marked(plan, pool, mark):
            return _identity(pool, mark)
        left = _abandoned(plan.resource, pool, mark, name)
        if left is not None:
            _take_over(host, plan, pool, name, left)
    return None


def _check_own(plan: Plan, pool: Any, own: Fingerprint) -> None:
    """Another run may have taken for left what stood still for too long, as on a slow disk."""
    if not _is_own(plan, pool, own):
        raise FleetError(
            "another run took it for left by an interrupted one and makes it anew; run again when "
            "that is done",
            plan.resource,
        )


def _is_own(plan: Plan, pool: Any, own: Fingerprint) -> bool:
    return _identity(pool, mark_of(name_in_pool(plan.wanted.name))) == own


def _needs_mark(plan: Plan) -> bool:
    """Not where making is one call that libvirt undoes by itself: a mark takes an LVM extent."""
    is_filled = any(plan.wanted.options.get(source) for source in FILLED_BY)
    return plan.after.facts["pool_type"] in FILE_POOLS or is_filled


def _marked(plan: Plan, pool: Any, name: str) -> bool:
    """Whether the mark could be set; there is only one of a name."""
    mark = xmltree.Element("volume")
    xmltree.put(mark, "name", name)
    xmltree.put(mark, "capacity", MARK_BYTES)
    if plan.after.facts["pool_type"] not in BLOCK_POOLS:
        xmltree.put(mark, "allocation", "0")
    try:
        patiently(lambda: pool.createXML(xmltree.serialise(mark), 0))
    except libvirt.libvirtError as error:
        if not _exists(error):
            raise
        return False
    return True


def _identity(pool: Any, name: str) -> Fingerprint:
    """What tells a mark from another one of its name; nothing where there is none."""
    mark = look_up_volume(pool, name)
    tree = tree_of(mark) if mark is not None else None
    # The key of a logical volume is its UUID. A file's is its path.
    return (
        () if tree is None else (same_key(mark.key()), xmltree.get(tree, "target/timestamps/mtime"))
    )


def _abandoned(resource: str, pool: Any, mark: str, name: str = "") -> Fingerprint | None:
    """What is left that nobody works on any more; waits as long as somebody does, None then."""
    seen = _fingerprint(pool, mark, name)
    since = time.monotonic()

    def settled() -> bool:
        nonlocal seen, since
        now = _fingerprint(pool, mark, name)
        if now != seen:
            seen, since = now, time.monotonic()
        return not seen or time.monotonic() - since > QUIET_S

    if not wait_until(settled, OTHER_RUN_TIMEOUT_S):
        raise FleetError(
            "is still being made by another run; run again when that is done", resource
        )
    return seen or None


def _fingerprint(pool: Any, mark: str, name: str) -> Fingerprint:
    """What changes while a volume is being made; nothing when the mark is gone."""
    own = _identity(pool, mark)
    volume = look_up_volume(pool, name) if own and name else None
    tree = tree_of(volume) if volume is not None else None
    if volume is None or tree is None:
        return own
    paths = ("allocation", "physical", "target/timestamps/mtime")
    return (*own, same_key(volume.key()), *(xmltree.get(tree, path) for path in paths))


def _take_over(host: Host, plan: Plan, pool: Any, name: str, left: Fingerprint) -> None:
    """Remove what an interrupted run left, unless another run or a VM has put it to use."""
    mark = mark_of(name)
    doing = "remove what an interrupted run left of it"
    with host.errors(plan.resource, doing), _alone(plan, pool):
        if _fingerprint(pool, mark, name) == left:
            _check_unused(host, plan.resource, pool, name)
            _delete(pool, name)
            _delete(pool, mark)


@contextmanager
def _alone(plan: Plan, pool: Any) -> Iterator[None]:
    """As the only run that takes over something in a pool: of two, the later one would remove what
    the first has just begun."""
    while not _marked(plan, pool, POOL_MARK):
        if _abandoned(plan.resource, pool, POOL_MARK):
            _delete(pool, POOL_MARK)
    try:
        yield
    finally:
        _delete(pool, POOL_MARK)


def _check_unused(host: Host, resource: str, pool: Any, name: str) -> None:
    volume = look_up_volume(pool, name)
    users = disks_on(host, volume, running=False) if volume is not None else []
    if users:
        vms = ", ".join(domain.name() for domain, _target in users)
        raise FleetError(
            f"an interrupted run left it half-made, but {vms} uses it; if it is whole, delete the "
            f"volume {mark_of(name)}, if not, take it from the VM",
            resource,
        )


def _clear_up(plan: Plan, pool: Any, own: Fingerprint) -> None:
    name = name_in_pool(plan.wanted.name)
    try:
        if _is_own(plan, pool, own):
            _delete(pool, name)
            _delete(pool, mark_of(name))
    except libvirt.libvirtError:
        pass  # the mark stays for the next run, and the error that led here says more


def _delete(pool: Any, name: str) -> None:
    volume = look_up_volume(pool, name)
    if volume is not None:
        patiently(lambda: volume.delete(0))


# ---- change and delete


def change(host: Host, plan: Plan) -> None:
    """Make a volume larger or smaller, and let it be whose it is to be."""
    pool, name = _place(host, plan)
    with host.errors(plan.resource, "change it"):
        make_as_planned(host, plan, pool.storageVolLookupByName(name))


def remove(host: Host, plan: Plan) -> None:
    """Delete a volume and the mark that an interrupted run may have left."""
    pool, name = _place(host, plan)
    with host.errors(plan.resource, "delete it"):
        if plan.wanted.options.get("wipe"):
            _wipe(pool, name, plan.wanted.options["wipe"])
        try:
            _delete(pool, name)
        except libvirt.libvirtError as error:
            why = why_it_stays(said(error))
            if why:
                raise FleetError(why, plan.resource) from error
            raise
        _delete(pool, mark_of(name))


def _wipe(pool: Any, name: str, by: str) -> None:
    """Overwrite a volume. A run that is killed meanwhile leaves it there, and the next one wipes
    it from its beginning."""
    volume = look_up_volume(pool, name)
    if volume is not None:
        algorithm = getattr(libvirt, f"VIR_STORAGE_VOL_WIPE_ALG_{by.upper()}")
        patiently(lambda: volume.wipePattern(algorithm, 0))


APPLIERS: dict[str, Callable[[Host, Plan], None]] = {CREATE: make, UPDATE: change, DELETE: remove}

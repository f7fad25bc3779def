# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes seeds, and removes them. Decides nothing.

A seed is made by xorriso on the machine on which this runs, and goes to its volume by a stream of
libvirt's, wherever the host is. The volume stands under its mark until the definition that names it
is stored. So whoever is interrupted in between leaves what the next run knows to be half-made.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ....engine import xmltree
from ....engine.changes import Lost
from ....engine.errors import FleetError
from ....engine.plan import CREATE, Have, Plan, Wanted
from ....host.connection import Host, libvirt, patiently
from ...storage_volume import applier as volumes
from ...storage_volume.reader import look_up_volume, tree_of
from ...storage_volume.volumes import KIND, name_in_pool, pool_of
from ..seeded import CLOUD_INIT, CONTENT, VOLUME, XORRISO, volume_field
from .files import LABEL, files_of
from .note import PREFIX, Note, element_of, noted_in, put
from .places import volume_tree

# The same files make the same image, whenever and by whichever xorriso that is.
ALWAYS = "2020010100000000"
OPTIONS = (
    *("-quiet", "-V", LABEL, "-J", "-r", "-no-pad", "-p", "kvm.fleet", "-A", "", "-publisher", ""),
    *(f"--modification-date={ALWAYS}", "--set_all_file_dates", ALWAYS),
)


@contextmanager
def seeded(host: Host, plan: Plan) -> Iterator[Plan]:
    """The plan with a seed that is there, as it is noted; what fails in the block leaves none."""
    note = noted_in(plan.after.stored)
    made = note.volume if note is not None and _is_made(plan) else ""
    if note is None or not made:
        yield _noted(plan, note)
        return
    with tempfile.TemporaryDirectory() as folder:
        image = built(Path(folder), files_of(_said(plan, note)), plan.resource)
        volume = _volume_plan(host, plan, made, image)
        own = _begun(host, plan, volume)
    try:
        yield _noted(plan, replace(note, written=_written(host, made)))
    except BaseException:
        with suppress(FleetError, libvirt.libvirtError):  # the mark stays, for the next run
            volumes.undo(host, volume, own)
        raise
    with host.errors(plan.resource, f"let the seed {made} count as whole"):
        volumes.end(host, volume, own)


def _is_made(plan: Plan) -> bool:
    return any(change.field == VOLUME and change.after for change in plan.changes)


def _said(plan: Plan, note: Note) -> dict[str, Any]:
    """What is noted, with what is hidden as it was declared."""
    values = plan.wanted.values
    hidden = {part: values.get((CLOUD_INIT, part)) for part in CONTENT}
    return {**{part: value for part, value in hidden.items() if value}, **_plain(note)}


def _plain(note: Note) -> dict[str, Any]:
    return {
        part: note.said[part]
        for part in ("hostname", "instance_id", "nics", "machine_id")
        if part in note.said
    }


def _goes(plan: Plan) -> list[str]:
    gone = (change for change in plan.changes if isinstance(change, Lost))
    return [change.before for change in gone if change.field == volume_field(change.before)]


def _noted(plan: Plan, note: Note | None) -> Plan:
    """A plan whose note has the volumes that go, too, should the run end before they are gone."""
    tree, goes = xmltree.clone(plan.after.definition), _goes(plan)
    if goes or note is not None:
        had = note or Note({})
        former = [*had.former, *(name for name in goes if name not in had.former)]
        said = {**had.said, **({"former": former} if former else {})}
        put(tree, replace(had, said=said))
    return replace(plan, after=replace(plan.after, stored=tree))


# ---- the image


def built(folder: Path, files: Mapping[str, str], resource: str = "") -> Path:
    """The image of some files, in a folder that nobody else can read."""
    content, image = folder / "content", folder / "seed.iso"
    content.mkdir()
    for name, text in files.items():
        (content / name).write_text(text, encoding="utf-8", newline="")
    program = next((path for path in XORRISO if os.access(path, os.X_OK)), XORRISO[0])
    command = [program, "-as", "mkisofs", *OPTIONS, "-o", str(image), str(content)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        message = f"cannot make the seed: {program}: {error.strerror}; install the package xorriso"
        raise FleetError(message, resource, CLOUD_INIT) from error
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:]
        raise FleetError(f"xorriso could not make the seed: {said}", resource, CLOUD_INIT)
    return image


# ---- the volume


def _volume_plan(host: Host, plan: Plan, full: str, image: Path) -> Plan:
    """As it is planned for a volume that is made from an image."""
    with host.errors(plan.resource, f"find the pool {pool_of(full)}"):
        pool = xmltree.parse(host.conn.storagePoolLookupByName(pool_of(full)).XMLDesc(0))
    tree = volume_tree(name_in_pool(full), capacity=image.stat().st_size)
    after = Have(KIND, full, tree, facts={"pool_type": pool.get("type", "dir")})
    wanted = Wanted(KIND, full, "present", options={"image": str(image)})
    return Plan(wanted, CREATE, Have(KIND, full), after)


def _begun(host: Host, plan: Plan, volume: Plan) -> volumes.Fingerprint:
    with host.errors(plan.resource, f"make its seed {volume.wanted.name}"):
        own = volumes.begin(host, volume)
    if own is None:
        raise FleetError(
            f"somebody made a volume {volume.wanted.name} meanwhile, as which its seed was to be "
            "made; run again, and it gets another name",
            plan.resource,
            "cloud_init.volume",
        )
    return own


def _written(host: Host, full: str) -> str:
    volume = look_up_volume(host.conn.storagePoolLookupByName(pool_of(full)), name_in_pool(full))
    tree = tree_of(volume) if volume is not None else None
    return (xmltree.get(tree, "target/timestamps/mtime") or "") if tree is not None else ""


# ---- what goes


def settle(host: Host, dom: Any, plan: Plan) -> None:
    """Remove the volumes that are no seed any more, and note that they are gone."""
    goes = _goes(plan)
    if not goes:
        return
    remove(host, plan)
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    stored = xmltree.parse(dom.XMLDesc(flags))
    note = noted_in(stored)
    if note is None:
        return
    left = [name for name in note.former if name not in goes]
    said = {part: value for part, value in note.said.items() if part != "former"}
    said.update({"former": left} if left else {})
    uuid = xmltree.get(stored, "uuid") or ""
    text = element_of(replace(note, said=said), uuid)
    kind, where = libvirt.VIR_DOMAIN_METADATA_ELEMENT, libvirt.VIR_DOMAIN_AFFECT_CONFIG
    with host.errors(plan.resource, "note that its former seed is gone"):
        patiently(lambda: dom.setMetadata(kind, text, PREFIX, xmltree.SEED_NS, where))


def remove(host: Host, plan: Plan) -> None:
    """Remove the volumes of a plan, with what an interrupted run left beside them."""
    for name in _goes(plan):
        with host.errors(plan.resource, f"remove the seed {name}"):
            volumes.remove(
                host, Plan(Wanted(KIND, name, "absent"), CREATE, Have(KIND, name), Have(KIND, name))
            )

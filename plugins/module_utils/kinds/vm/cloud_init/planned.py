# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a VM's seed: from what is declared and noted to values, a note and volumes.

A seed is never written to again. Another content is another volume, which takes the place of the
former one in the drive; that goes once nothing runs with it. A volume is the VM's where its note
names it, and no other is ever touched: what has the name already is passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ....engine import xmltree
from ....engine.changes import Change, Kept, Lost
from ....engine.codecs import Value
from ....engine.hidden import Sensitive
from ....engine.keys import ABSENT, PRESENT, UNION, Key, Values
from ....engine.sensitive import salt_of
from ....engine.xmltree import Element
from ...storage_volume.volumes import UNSEEN, name_in_pool, pool_of, volume_path
from ..derived import derived_uuid
from ..made_from import MADE
from ..seeded import (
    CLOUD_INIT,
    CONTENT,
    DETACH,
    DRIVE,
    FORMER,
    INSTANCE_ID,
    KEYS,
    MACHINE_ID,
    NOTE,
    OWN,
    VOLUME,
)
from ..states import RUNNING
from ..sysprep import CLOUD_INIT as BY_CLOUD_INIT
from ..table import AGENT_CHANNEL, DISKS
from . import places
from .going import Planned, of_another, set_former, waits_for
from .note import Note, note_of, noted_in, said_of
from .user_data import unknown_in

if TYPE_CHECKING:
    from ..draft import VmDraft

AFTER_BOOT = "after_boot"
SOURCE: Key = (*DRIVE, UNION)
EMPTY = {"file": ""}
# cloud-init reads the seed at each start, and what it does each time goes by what it finds there:
# cc_set_hostname and cc_update_hostname, cc_bootcmd, cc_update_etc_hosts (since 22.2, before that
# fewer). All else is done once for an instance.
UP_TO_RERUN = (
    "a guest that has run takes up only what cloud-init does at each start (host name, bootcmd, "
    "/etc/hosts); with rerun: true it gets another instance-id, and takes up all when it boots"
)
AGAIN = (
    "a guest that has run with this instance-id before takes up only what cloud-init does at each "
    "start; with rerun: true it gets another"
)


def planned(draft: VmDraft, want: dict[Key, Value]) -> Planned:
    """What becomes of the seed that is declared. Sets values; mistakes are the draft's."""
    stored = draft.have.stored
    salt = salt_of(stored if stored is not None else _named(draft.wanted.name))
    plan = Planned(salt, note_of(stored), before=_noted(draft))
    if draft.have.exists and not (plan.had and plan.had.said.get("instance_id")):
        plan.again = plan.before.last_id or draft.wanted.name
    _check_drive(draft, plan.had)
    if any(want[(CLOUD_INIT, part)] for part in CONTENT):
        _set_up(draft, want, plan)
    else:
        _take_away(draft, want, plan)
    for key in KEYS:
        if not want.get(key) and key not in draft.stored:
            want.pop(key, None)
    said = said_of(want, salt)
    plan.note = replace(_note(draft, plan, said), **_ids(said, plan))
    return plan


def _note(draft: VmDraft, plan: Planned, said: Mapping[str, Value]) -> Note:
    if plan.had is not None and not plan.makes:
        return replace(plan.had, said=said) if said else Note({})
    runs = draft.have.live.get("id") if draft.have.live is not None and said else ""
    return Note(said, made_at=runs or "")


def _noted(draft: VmDraft) -> Note:
    """What is known of the VM's instance-ids; what runs may know more than a definition that others
    have stored since."""
    notes = [note for tree in (draft.have.stored, draft.have.live) if (note := noted_in(tree))]
    return max(notes, key=lambda note: note.count, default=Note({}))


def _ids(said: Mapping[str, Value], plan: Planned) -> dict[str, Any]:
    """What is to be noted, so that no instance-id is given twice."""
    had, has = plan.before, said.get("instance_id")
    last_id = "" if has else str(had.said.get("instance_id") or had.last_id)
    return {"last_id": last_id, "count": had.count + plan.is_new_id}


def _named(name: str) -> Element:
    tree = xmltree.Element("domain")
    xmltree.put(tree, "uuid", derived_uuid(name))
    return tree


def _check_drive(draft: VmDraft, had: Note | None) -> None:
    if any(one["name"] == DRIVE[1] for one in draft.wanted.options.get("cdroms") or ()):
        draft.mistakes.add(
            "is the drive of the seed; give another drive another name", ".".join(DRIVE)
        )
    elif had is None and (draft.stored.get(SOURCE) or EMPTY) != EMPTY and not _is_clone(draft):
        draft.mistakes.add(
            "has a medium that is no seed of this collection; rename the drive, or empty it",
            ".".join(DRIVE),
        )


def _is_clone(draft: VmDraft) -> bool:
    """Whether it came to its drive by being copied, with the note of the VM whose seed that is."""
    stored = draft.have.stored
    return stored is not None and xmltree.find(stored, NOTE) is not None


# ---- what is declared


def _set_up(draft: VmDraft, want: dict[Key, Value], plan: Planned) -> None:
    places.set_macs(draft, want)
    had = plan.had or Note({})
    differs = [key for key in KEYS if key[1] in CONTENT and want[key] != draft.stored.get(key, "")]
    _set_instance_id(draft, want, plan, bool(differs))
    _set_machine_id(draft, want, had)
    want[VOLUME] = had.volume
    if had.volume and not differs and want[DETACH] == AFTER_BOOT and _has_booted(draft, had):
        want[VOLUME], want[SOURCE], want[DRIVE] = "", EMPTY, PRESENT
    else:
        plan.makes = _why_made(draft, want, had, bool(differs))
    if plan.makes:
        want[VOLUME] = places.new_volume(draft, want, had)
        draft.warnings += _unknown(draft.wanted.options["cloud_init"])
    set_former(draft, want, plan)
    if plan.had is None:
        plan.kept.update(of_another(draft))
    if want[VOLUME]:
        _set_drive(draft, want)
    if want[DETACH] == AFTER_BOOT and not _has_agent(draft, want):
        draft.mistakes.add(
            "after_boot needs agent: true, by which it is seen that the guest is up",
            "cloud_init.detach",
        )


def _set_instance_id(draft: VmDraft, want: dict[Key, Value], plan: Planned, differs: bool) -> None:
    """By its name at first. A guest takes up what has another instance-id, and only that: where it
    is to, one that it never had is made from the former one, how many there were, and what is new.
    """
    name, had = draft.wanted.name, plan.before
    has = str(had.said.get("instance_id") or had.last_id)
    reruns = bool(draft.wanted.options["cloud_init"]["rerun"])
    if want[INSTANCE_ID]:
        return
    if not reruns or (has.startswith(f"{name}-") and not differs):
        want[INSTANCE_ID] = has or name
        return
    said = {key: value for key, value in said_of(want, plan.salt).items() if key in CONTENT}
    of: list[Any] = [has, said, *([had.count] if had.count else ())]
    of += _of_the_guest(draft, want)
    digest = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()
    want[INSTANCE_ID], plan.is_new_id = f"{name}-{digest[:8]}", True


def _of_the_guest(draft: VmDraft, want: Values) -> list[str]:
    """What is another whenever a guest has run: others may have taken the note, put back an older
    one, or removed the VM and left its disks. Which instance-ids it had nobody knows then."""
    if draft.have.live is not None:
        return [draft.have.live.get("id") or ""]
    values = {**draft.stored, **want}.items()
    sources = [value for key, value in values if key[0] == DISKS.name and key[-1] == UNION]
    files = [str(one["file"]) for one in sources if one and one.get("file")]
    host = draft.world.host
    return list(filter(None, map(host.content_of, files))) if host.is_local else []


def _unknown(said: Mapping[str, Any]) -> list[str]:
    """What is said of keys that a guest may pass over, as a new seed is made."""
    found = {part: unknown_in(said.get(part)) for part in ("user_data", "vendor_data")}
    return [f"{CLOUD_INIT}.{part}: {one}" for part, told in found.items() for one in told]


def _set_machine_id(draft: VmDraft, want: dict[Key, Value], had: Note) -> None:
    """One that is made from a template has another. Later seeds say it too: it is for one that has
    not booted yet. A user's own vendor-data stands where it would."""
    made = draft.wanted.options.get(MADE)
    is_new = made is not None and made.sysprep == BY_CLOUD_INIT and not draft.have.exists
    says = is_new or had.said.get("machine_id")
    want[MACHINE_ID] = OWN if says and not want[(CLOUD_INIT, "vendor_data")] else ""


def _why_made(draft: VmDraft, want: Values, had: Note, differs: bool) -> str:
    """Why a volume is to be made; empty where the one that is there does."""
    pool = draft.wanted.options["cloud_init"].get("pool")
    if differs or want[INSTANCE_ID] != had.said.get("instance_id"):
        return "another content"
    if not had.volume:
        is_done = want[DETACH] == AFTER_BOOT
        return "" if is_done else "it is to stay attached"
    if pool and pool != pool_of(had.volume):
        return "another pool"
    volume = draft.world.was("storage_volume", had.volume)
    if not had.written or volume.facts.get(UNSEEN):
        return ""  # nobody can tell
    if not volume.exists:
        return "it was gone"
    written = xmltree.get(volume.definition, "target/timestamps/mtime")
    return "" if written in (None, had.written) else "others wrote to it"


def _has_booted(draft: VmDraft, had: Note) -> bool:
    """Whether a guest is up that was started with the seed. Its agent says so, which starts after
    cloud-init has read what it is to know."""
    live = draft.have.live
    if live is None or draft.is_now != RUNNING or draft.world.verifies:
        return False
    if live.get("id") in (None, had.made_at) or draft.live is None:
        return False
    agent = live.find(f"devices/channel/target[@name='{AGENT_CHANNEL}'][@state='connected']")
    return agent is not None and draft.live.get(SOURCE) == draft.stored.get(SOURCE)


def _has_agent(draft: VmDraft, want: Values) -> bool:
    key = ("channels", AGENT_CHANNEL)
    return bool(want.get(key, draft.stored.get(key, ABSENT)) is not ABSENT)


def _set_drive(draft: VmDraft, want: dict[Key, Value]) -> None:
    pool = draft.world.will_be("storage_pool", pool_of(want[VOLUME]))
    path = volume_path(pool, name_in_pool(want[VOLUME]))
    want[DRIVE] = PRESENT
    if path:
        want[SOURCE] = {"file": path}
    bus = draft.wanted.options["cloud_init"].get("bus")
    if bus:
        want[(*DRIVE, "bus")] = bus
    elif DRIVE not in draft.stored:
        want[(*DRIVE, "bus")] = places.bus_of(
            want.get(("machine",)) or draft.stored.get(("machine",))
        )


# ---- what goes


def _take_away(draft: VmDraft, want: dict[Key, Value], plan: Planned) -> None:
    """Nothing of it stays but the drive of a VM that runs, which nobody can unplug: it is empty."""
    for key in KEYS:
        want[key] = ""
    if plan.had is None:
        return
    set_former(draft, want, plan)
    if DRIVE in draft.stored:
        stays = draft.live is not None and DRIVE in draft.live
        want[DRIVE] = PRESENT if stays else ABSENT
        if stays:
            want[SOURCE] = EMPTY


# ---- as the plan says it


def explained(plan: Planned, change: Change) -> Change:
    """A change with what is to be said of it."""
    if change.field == SOURCE and plan.had is not None:
        return replace(change, final="the seed that was in it is kept by nobody")
    if change.field == INSTANCE_ID and plan.again and change.after == plan.again:
        return replace(change, note=AGAIN)
    if change.field[0] != CLOUD_INIT or isinstance(change, (Lost, Kept)) or plan.had is None:
        return change
    if change.field == FORMER and change.after:
        return replace(change, note=waits_for(plan, change.after))
    if change.field == VOLUME:
        detached = plan.note is not None and plan.note.said.get("detach") == AFTER_BOOT
        note = plan.makes or ("a guest is up that was started with it" if detached else "")
        return replace(change, note=note, final="the seed that it was is kept by nobody")
    said: dict[str, Any] = {}
    if plan.note is not None and change.field[1] in CONTENT:
        is_old = plan.note.said.get("instance_id") == plan.had.said.get("instance_id")
        said["note"] = UP_TO_RERUN if is_old else ""
    if isinstance(change.before, Sensitive):
        said["final"] = "what it said is kept by nobody"
    return replace(change, **said)

# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be: checks of one VM's values, by themselves and against what the host will hold."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...engine import vlans
from ...engine.codecs import Value
from ...engine.errors import Mistakes
from ...engine.keys import ABSENT, PRESENT, UNION, Key, Values, beside, named, parent
from ...engine.texts import why_no_file
from . import (
    cpu_time,
    disk_sources,
    host_devices,
    leases,
    memory,
    numa_cells,
    platform,
    port_rules,
    shared_folders,
)
from .macvtap import check_macvtap
from .nic_rows import NICS


def check_name(name: str, mistakes: Mistakes) -> None:
    """libvirt and QEMU refuse some names (virXMLCheckIllegalChars, virDomainDefPostParse)."""
    if not name or name != name.strip():
        mistakes.add("is empty or begins or ends with a space", "name")
    if re.search(r"[/\x00-\x1f]", name):
        mistakes.add(f"{name!r} has a slash, a tab, a line end or the like", "name")
    if why_no_file(name):
        mistakes.add(why_no_file(name), "name")


# ---- a declaration by itself


def check_declared(want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """Mistakes that show without a host."""
    _check_twins(want, want, mistakes)
    for key, value in want.items():
        if key[0] == NICS.name and len(key) == 2:
            for field, message in vlans.disagreeing(want, key):
                mistakes.add(message, named(field))
        if len(key) == 2 and value is PRESENT:
            port_rules.check_declared(key, want, mistakes)
        if key[-1] == "total_iops" or key[-1] == "total_bandwidth":
            _check_limits(key, value, want, mistakes)
    _check_alone(want, mistakes)


def _check_alone(want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """Mistakes in what a VM has one of."""
    if want.get(("serial", "type")) in ("file", "unix") and not want.get(("serial", "path")):
        mistakes.add(
            f"is needed for a serial port of type {want[('serial', 'type')]}", "serial.path"
        )
    for key in (memory.SIZE, memory.MAXIMUM):
        if want.get(key) == "0B":
            mistakes.add("0B is no size for a VM; write one such as 2GiB", named(key))
    mode = want.get(("cpu", "mode"))
    if want.get(("cpu", "model")) and mode not in (None, "custom"):
        message = f"is for a CPU of mode custom, and cpu.mode is {mode}; change one of them"
        mistakes.add(message, "cpu.model")
    if want.get(("graphics", "port")) == 0:
        # libvirt takes it for none (virDomainGraphicsDefParseXMLVNC).
        mistakes.add("0 is no port; write -1 to have libvirt choose one", "graphics.port")


def _check_twins(values: Mapping[Key, Value], new: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """Devices with one MAC address or boot order, where a new value makes them so."""
    for field, says in (("mac", "MAC address"), ("boot_order", "boot order")):
        owners: dict[Value, list[Key]] = {}
        for key, value in values.items():
            if key[-1] != field or len(key) != 3 or not value:
                continue
            # What is named with a number is there already: others made it so.
            if "#" not in key[1] and values.get(parent(key)) is not ABSENT:
                owners.setdefault(value, []).append(key)
        for value, keys in owners.items():
            if len(keys) > 1 and any(key in new for key in keys):
                devices = " and ".join(named(parent(key)) for key in keys)
                mistakes.add(f"{devices} have the same {says} {value}", keys[0][0])


def _check_limits(key: Key, value: Value, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    what = key[-1].partition("_")[2]
    halves = [want.get(beside(key, f"{half}_{what}")) for half in ("read", "write")]
    if value not in (0, "0B") and any(half not in (None, 0, "0B") for half in halves):
        mistakes.add("a total limit and one for reads or writes exclude each other", named(key))


# ---- a VM as it would be


def check_planned(
    after: Values, stored: Values, want: Mapping[Key, Value], mistakes: Mistakes
) -> None:
    """Mistakes that show in the whole of a VM's values; `stored` is empty for a new VM.

    What is so already is no mistake of the declaration: libvirt takes more than we would make.
    """
    # Of a VM that stays as it is, all that is found would be so already.
    if after != stored or any(stored.get(key) != value for key, value in want.items()):
        _check_what_is_new(after, stored, want, mistakes)
    for key in want:
        if len(key) == 2 and want[key] is PRESENT and key in stored and key not in after:
            mistakes.add(
                "others made it, and it is known by what it is, which this would change; take it "
                "away (state: absent) and declare one with a name of its own",
                named(key),
            )


def _check_what_is_new(
    after: Values, stored: Values, want: Mapping[Key, Value], mistakes: Mistakes
) -> None:
    found, there = Mistakes(), Mistakes()
    _check_all(after, not stored, want, found)
    if found.errors and stored:
        so_already = {key: value for key, value in want.items() if stored.get(key) == value}
        _check_all(stored, False, so_already, there)
    known = {(error.field, error.message) for error in there.errors}
    for error in found.errors:
        if (error.field, error.message) not in known:
            mistakes.add(error.message, error.field)


def _check_all(after: Values, new: bool, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    _check_whole(after, new, want, mistakes)
    platform.check(after, want, mistakes)
    if after.get(memory.SIZE) is not None:
        memory.check(want, after, mistakes)
    _check_needed(want, after, mistakes)


def _check_needed(want: Mapping[Key, Value], after: Values, mistakes: Mistakes) -> None:
    """What is declared of something that there will not be."""
    if want.get(("secure_boot",)) and after[("firmware",)] != "efi":
        mistakes.add(f"needs the firmware efi, not {after[('firmware',)]}", "secure_boot")
    for device, option in (("tpm", "version"), ("watchdog", "action")):
        if want.get((device, option)) is not None and after[(device, "model")] in (None, "none"):
            message = f"is for a VM with a {device}; set {device}.model too"
            mistakes.add(message, f"{device}.{option}")
    kind = after[("graphics", "type")]
    for option, unset in (("listen", ""), ("port", -1)):
        said = want.get(("graphics", option)) not in (None, unset)
        if said and kind not in ("vnc", "spice"):
            mistakes.add(
                f"is for graphics of type vnc or spice, not {kind}; set graphics.type too",
                f"graphics.{option}",
            )


def _check_whole(after: Values, new: bool, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    if new and after.get(("memory", "size")) is None:
        mistakes.add("is needed for a new VM; write a size such as 2GiB", "memory.size")
        return
    count, top = after[("cpu", "count")], after[("cpu", "maximum")]
    if count > top:
        mistakes.add(f"{count} is above cpu.maximum, which is {top}", "cpu.count")
    cpu_time.check(after, want, mistakes)
    numa_cells.check(after, want, mistakes)
    _check_twins(after, want, mistakes)
    _check_topology(after, mistakes)
    if want.get(("cpu", "model")) == "" and after.get(("cpu", "mode")) == "custom":
        mistakes.add("is empty; name a model, or set another cpu.mode", "cpu.model")
    _check_lifecycle(after, mistakes)
    for key in [key for key in after if len(key) == 2 and after[key] is PRESENT]:
        if key[0] == "disks" and key in want:
            _check_disk(key, after, mistakes)
        if key[0] in ("disks", "cdroms") and (*key, UNION) in want:
            disk_sources.check(key, after.get((*key, UNION)) or {}, mistakes)
        if key[0] == "nics":
            _check_nic(key, after, want, mistakes)
        if key[0] in _NEEDED and key in want:
            _check_options(key, after, mistakes)
    host_devices.check(after, want, mistakes)
    shared_folders.check(after, want, mistakes)
    leases.check(after, want, mistakes)
    port_rules.check(after, want, mistakes)


# What something of a list cannot be without, and what an option of it goes with.
_NEEDED = {"inputs": ("type",), "rngs": ("path",)}
_GOES_WITH: dict[str, tuple[tuple[Key, Key], ...]] = {
    "rngs": ((("rate", "period_ms"), ("rate", "bytes")),)
}


def _check_options(key: Key, after: Values, mistakes: Mistakes) -> None:
    for needed in _NEEDED[key[0]]:
        if not after.get((*key, needed)):
            mistakes.add("is needed", named((*key, needed)))
    for option, other in _GOES_WITH.get(key[0], ()):
        if after.get((*key, *option)) and not after.get((*key, *other)):
            mistakes.add(f"goes with {'.'.join(other)} only; set that too", named((*key, *option)))


def _check_topology(after: Values, mistakes: Mistakes) -> None:
    parts = [
        after.get(("cpu", "topology", part)) for part in ("sockets", "dies", "cores", "threads")
    ]
    if not any(parts):
        return
    product = 1
    for part in parts:
        product *= part or 1
    if product != after[("cpu", "maximum")]:
        most = after[("cpu", "maximum")]
        mistakes.add(
            f"makes {product} vCPUs, but cpu.maximum is {most}; make them equal", "cpu.topology"
        )


def _check_lifecycle(after: Values, mistakes: Mistakes) -> None:
    """QEMU cannot tell the two ends of a guest apart like this (qemuValidateLifecycleAction)."""
    if (after[("on_poweroff",)], after[("on_reboot",)]) == ("restart", "destroy"):
        mistakes.add("cannot be restart where on_reboot is destroy", "on_poweroff")


def _check_disk(key: Key, after: Values, mistakes: Mistakes) -> None:
    source = after.get((*key, "source"))
    if source in (None, {"file": ""}):
        mistakes.add("needs pool and volume, file, device, network or nvme", named(key))
    elif not after.get((*key, "format")):
        mistakes.add("is not known; write qcow2 or raw", named((*key, "format")))
    elif after.get((*key, "shareable")) and after[(*key, "format")] != "raw":
        message = "needs the format raw: nothing else stays whole under two VMs"
        mistakes.add(message, named((*key, "shareable")))
    if after.get((*key, "read_only")) and after.get((*key, "bus")) in ("ide", "sata"):
        # libvirt: "readonly ide disks are not supported", and the same of sata.
        bus = after[(*key, "bus")]
        mistakes.add(f"is not possible on the bus {bus}", named((*key, "read_only")))
    for what in ("iops", "bandwidth"):
        total = (*key, "limits", f"total_{what}")
        _check_limits(total, after.get(total, 0), after, mistakes)


def _check_nic(key: Key, after: Values, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    if after.get((*key, "source")) in ({"vswitch": ""}, {"bridge": ""}):
        mistakes.add("needs a vswitch, a bridge or direct", named(key))
    check_macvtap(key, after, mistakes)
    for field, message in vlans.without_trunk(after, key):
        mistakes.add(message, named(field))
    for way in ("inbound", "outbound"):
        limit = (*key, "bandwidth", way)
        above = [want.get((*limit, name)) for name in ("peak", "burst")]
        if after[(*limit, "average")] == "0B" and any(a not in (None, "0B") for a in above):
            mistakes.add("has a peak or burst but no average; set its average", named(limit))

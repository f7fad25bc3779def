# SPDX-License-Identifier: GPL-3.0-or-later
"""What hangs together of a VM's board: clock, features, Hyper-V, SMBIOS, its CPU's check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...engine import xmltree
from ...engine.codecs import Value
from ...engine.errors import FleetError, Mistakes
from ...engine.keys import Key, Values, named, within
from ...engine.xmltree import Element

OFFSET, ZONE = ("clock",), ("timezone",)
HYPERV = ("features", "hyperv")
MODE = (*HYPERV, "mode")
SMBIOS, SMBIOS_MODE = ("smbios",), ("smbios", "mode")
CPU_MODE, CPU_MODEL = ("cpu", "mode"), ("cpu", "model")
CHECK, MIGRATABLE = ("cpu", "check"), ("cpu", "migratable")
INTREMAP, IOAPIC = ("iommu", "intremap"), ("features", "ioapic")
NOTHING: tuple[Value, ...] = (None, "", 0, [])
LEAST_RETRIES = 4095  # what QEMU and libvirt take for spinlocks

# What each enlightenment is of no use, or refused by QEMU, without (docs/system/i386/hyperv.rst).
NEEDS: dict[str, tuple[str, ...]] = {
    "stimer_direct": ("stimer",),
    "stimer": ("vpindex", "synic"),
    "synic": ("vpindex",),
    "tlbflush": ("vpindex",),
    "ipi": ("vpindex",),
    "evmcs": ("vapic",),
}


# ---- what is meant


def resolve(values: dict[Key, Value], stored: Values, said: Mapping[Key, Value]) -> None:
    """What follows from what is said: the offset, the mode of Hyper-V, that of SMBIOS."""
    if values.get(ZONE) and OFFSET not in said:
        values[OFFSET] = "timezone"
    if values.get(MODE) == "none":  # where what is said to be off is
        for key in [key for key in within(values, HYPERV) if key != MODE and not values[key]]:
            del values[key]
    enlightened = any(_is_new(key, values, stored) for key in within(values, HYPERV))
    if enlightened and stored.get(MODE, "none") == "none":
        values.setdefault(MODE, "custom")
    entries = [key for key in within(values, SMBIOS) if key != SMBIOS_MODE]
    is_said = any(values[key] not in NOTHING for key in entries)
    if is_said and stored.get(SMBIOS_MODE, "emulate") == "emulate":
        values.setdefault(SMBIOS_MODE, "sysinfo")
    if values.get(INTREMAP) and stored.get(IOAPIC) is None:
        values.setdefault(IOAPIC, "qemu")
    will = {**stored, **values}
    if values.get(CPU_MODE):
        will[CPU_MODEL] = values.get(CPU_MODEL)  # a stored one goes with its mode
    for key, usual in _usual_cpu(will).items():
        if values.get(key) == usual:
            values[key] = None


def _is_new(key: Key, values: Values, stored: Values) -> bool:
    said, was = values[key], stored.get(key)
    says_nothing = said is not False and said in ("", 0)  # what is off is said to be
    return key != MODE and said != was and not (was in NOTHING and says_nothing)


def read(domain: Element, values: dict[Key, Value]) -> None:
    """What libvirt says of a CPU by itself is as if it were not said; so is a model it passes over.

    libvirt keeps a model below host-model, and starts the VM with the host's.
    """
    if xmltree.find(domain, "cpu") is not None:
        if values[CPU_MODE] not in (None, "custom"):
            values[CPU_MODEL] = ""
        for key, usual in _usual_cpu(values).items():
            if values[key] == usual:
                values[key] = None


def _usual_cpu(values: Mapping[Key, Value]) -> dict[Key, Value]:
    """What libvirt has where nothing is said (qemuDomainDefCPUPostParse)."""
    mode = values.get(CPU_MODE)
    if values.get(CPU_MODEL):
        mode = "custom"
    if mode in ("host-passthrough", "maximum"):
        return {CHECK: "none", MIGRATABLE: True}
    emulated = values.get(("virt_type",)) == "qemu" and mode == "custom"
    return {CHECK: "none" if emulated else "partial"}


# ---- what must hold


def check(after: Values, want: Mapping[Key, Value], mistakes: Mistakes) -> None:
    """What libvirt stores, and is not what was meant, or does not start."""
    mistakes.extend(_wrong(after, want))


def _wrong(after: Values, want: Mapping[Key, Value]) -> Iterator[FleetError]:
    if want.get(ZONE) and after[OFFSET] != "timezone":
        message = f"is for the clock timezone, not {after[OFFSET]}; leave one of them out"
        yield FleetError(message, field=named(ZONE))
    if want.get(OFFSET) == "timezone" and not after[ZONE]:
        message = "is needed for the clock timezone; write one such as Europe/Berlin"
        yield FleetError(message, field=named(ZONE))
    if want.get(("boot", "menu", "timeout_ms")) and not after[("boot", "menu", "enabled")]:
        message = "is for a boot menu that is enabled; set boot.menu.enabled too"
        yield FleetError(message, field="boot.menu.timeout_ms")
    if want.get(MIGRATABLE) is not None and MIGRATABLE not in _usual_cpu(after):
        message = "is for a CPU of mode host-passthrough or maximum; set cpu.mode too"
        yield FleetError(message, field=named(MIGRATABLE))
    yield from _of_iommu(after, want)
    yield from _of_hyperv(after, want)
    yield from _of_smbios(after, want)


def _of_iommu(after: Values, want: Mapping[Key, Value]) -> Iterator[FleetError]:
    """What libvirt (9.0) says in other words, or stores without a word."""
    model = after[("iommu", "model")]
    for option in ("intremap", "caching_mode", "eim", "iotlb", "aw_bits"):
        key = ("iommu", option)
        if want.get(key) is not None and model not in ("intel", "amd"):
            message = f"is for the model intel, and iommu.model is {model}"
            yield FleetError(message, field=named(key))
    if {INTREMAP, IOAPIC} & want.keys() and after[INTREMAP] and after[IOAPIC] != "qemu":
        message = f"needs features.ioapic: qemu, and it is {after[IOAPIC]}"
        yield FleetError(message, field=named(INTREMAP))
    if want.get(("iommu", "eim")) and not after[INTREMAP]:
        message = "needs iommu.intremap; set it to true too"
        yield FleetError(message, field="iommu.eim")


def _of_hyperv(after: Values, want: Mapping[Key, Value]) -> Iterator[FleetError]:
    mode = after.get(MODE)
    said = [key for key in within(want, HYPERV) if key != MODE]
    on = [key for key in said if want[key] not in (*NOTHING, False)]
    if mode != "custom" and on:
        message = f"is for the mode custom, and features.hyperv.mode is {mode}"
        yield FleetError(message, field=named(on[0]))
        return
    retries = want.get((*HYPERV, "spinlocks"))
    if retries and retries < LEAST_RETRIES:
        message = f"{retries} are too few retries; write {LEAST_RETRIES} or more, or 0 for none"
        yield FleetError(message, field="features.hyperv.spinlocks")
    for name, needed in NEEDS.items():
        if not after.get((*HYPERV, name)) or mode != "custom":
            continue
        for other in needed:
            # Whichever of both is said: what is there already and whole is nobody's mistake.
            if not after.get((*HYPERV, other)) and {(*HYPERV, name), (*HYPERV, other)} & {*want}:
                message = f"needs features.hyperv.{other}, which is not on; set it to true too"
                yield FleetError(message, field=f"features.hyperv.{name}")
    stimer, timer = (*HYPERV, "stimer"), ("timers", "hypervclock", "present")
    if want.get(stimer) and mode == "custom" and after.get(timer) is not True:
        message = (
            "needs the timer hypervclock; write timers: [{name: hypervclock, present: true}] too"
        )
        yield FleetError(message, field=named(stimer))


def _of_smbios(after: Values, want: Mapping[Key, Value]) -> Iterator[FleetError]:
    mode = after.get(SMBIOS_MODE)
    entries = [k for k in within(after, SMBIOS) if k != SMBIOS_MODE]
    said = [key for key in entries if after[key] not in NOTHING]
    declared = [key for key in said if want.get(key) not in NOTHING]
    if declared and mode != "sysinfo":
        message = f"is shown to the guest in the mode sysinfo only, and smbios.mode is {mode}"
        yield FleetError(message, field=named(declared[0]))


def wrong(domain: Element) -> Iterator[FleetError]:
    """What libvirt refuses in other words (virSysinfoParseXML, virDomainDefBootOrderPostParse), or
    at the start only (qemuBuildSmbiosCommandLine)."""
    uuid = xmltree.get(domain, "sysinfo[@type='smbios']/system/entry[@name='uuid']") or ""
    own = xmltree.get(domain, "uuid") or ""
    if uuid and uuid.lower() != own.lower():
        message = f"{uuid} is not the UUID of the VM, which is {own}; write that, or leave it out"
        yield FleetError(message, field="smbios.system.uuid")
    mode = xmltree.get(domain, "os/smbios/@mode")
    if mode == "sysinfo" and domain.find("sysinfo[@type='smbios']") is None:
        message = "is for what is said in smbios; write some of it, such as system.manufacturer"
        yield FleetError(message, field="smbios.mode")
    if domain.find("os/boot") is not None and domain.find("devices/*/boot") is not None:
        message = "and the boot_order of single devices exclude each other; set that to 0"
        yield FleetError(message, field="boot.devices")

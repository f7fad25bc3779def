# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether guests run under KVM on this machine.

``/dev/kvm`` is no proof: it opens on machines where no guest boots. KVM without hardware
virtualisation underneath (pvm, for one) even runs simple code, because the kernel's instruction
emulator interprets it. So a machine counts as accelerated only when the node opens, the CPU has
the instructions, and a probe guest has executed code that the emulator does not know.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

QEMU_BINARIES = ("/usr/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm", "/usr/bin/qemu-kvm")
VIRTUALISATION_FLAGS = frozenset({"vmx", "svm"})
PROBE_DEADLINE_S = 10.0

_KVM_GET_API_VERSION = 0xAE00
_KVM_API_VERSION = 12
_CACHE = Path("/run/kvm-fleet/probe-passed")


@dataclass(frozen=True)
class Finding:
    """Whether one condition holds, and what was seen."""

    holds: bool
    detail: str


@dataclass(frozen=True)
class Verdict:
    """Whether guests run under KVM here, and the reason in words."""

    accelerated: bool
    reason: str


def verdict(node_opens: Finding, cpu_flags: AbstractSet[str], probe: Finding | None) -> Verdict:
    """Decide from what was found; ``probe`` is None when no probe guest was run."""
    if not cpu_flags & VIRTUALISATION_FLAGS:
        but = "but" if node_opens.holds else "and"
        return Verdict(False, f"{node_opens.detail}, {but} the CPU has neither vmx nor svm")
    if not node_opens.holds:
        return Verdict(False, node_opens.detail)
    if probe is None:
        return Verdict(False, "no probe guest was run")
    return Verdict(probe.holds, probe.detail)


def choose_virt_type(capabilities_xml: str, probe: Verdict | None) -> tuple[str, str]:
    """The domain type for ``virt_type: auto`` and the reason.

    ``capabilities_xml`` is what the connection's getCapabilities() says. ``probe`` is the verdict
    about this machine, or None when the connection leads elsewhere: then libvirt's word is all
    there is. What counts are guests of the host's own architecture.
    """
    types = _native_domain_types(capabilities_xml)
    if "kvm" not in types:
        # A driver without emulation (test:///) lists its only type, which is then the choice.
        fallback = "qemu" if "qemu" in types or not types else types[0]
        return fallback, "libvirt offers no kvm guests on this host"
    if probe is None:
        return "kvm", "libvirt offers kvm guests on this host"
    return ("kvm" if probe.accelerated else "qemu"), probe.reason


def accelerated() -> Verdict:
    """The verdict about this machine; a guest is started only when everything else holds."""
    node = kvm_node()
    flags = cpu_flags()
    if not (node.holds and flags & VIRTUALISATION_FLAGS):
        return verdict(node, flags, None)
    return verdict(node, flags, remembered_probe(find_qemu()))


def find_qemu(candidates: Sequence[str] = QEMU_BINARIES) -> str | None:
    """The distribution's QEMU for x86-64 guests, or None."""
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def kvm_node(path: str = "/dev/kvm") -> Finding:
    """Whether the node opens for this process and speaks the one KVM API there is."""
    try:
        node = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return Finding(False, f"{path} does not open: {error.strerror}")
    try:
        version = fcntl.ioctl(node, _KVM_GET_API_VERSION)
    except OSError as error:
        return Finding(False, f"{path} opens but is not KVM: {error.strerror}")
    finally:
        os.close(node)
    if version != _KVM_API_VERSION:
        return Finding(False, f"{path} has API version {version}, not {_KVM_API_VERSION}")
    return Finding(True, f"{path} opens")


def cpu_flags(path: str = "/proc/cpuinfo") -> frozenset[str]:
    """The flags of the first CPU; empty on architectures that list none."""
    for line in _read(Path(path)).splitlines():
        key, _colon, value = line.partition(":")
        if key.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def remembered_probe(qemu: str | None, cache: Path = _CACHE) -> Finding:
    """The probe's finding; a success is remembered until the next boot or change of QEMU.

    A failure is not remembered: it may have been a machine too busy, or a module not yet loaded.
    """
    if qemu is None:
        return Finding(False, "QEMU is not installed: looked for " + ", ".join(QEMU_BINARIES))
    key = _probe_key(qemu)
    if _read(cache) == key:
        return Finding(True, "a probe guest ran under KVM earlier in this boot")
    found = run_probe(qemu)
    if found.holds:
        _remember(cache, key)
    return found


def run_probe(qemu: str, accel: str = "kvm", deadline_s: float = PROBE_DEADLINE_S) -> Finding:
    """Start a guest of a few instructions and see whether it did what they say."""
    with tempfile.NamedTemporaryFile(prefix="kvm-fleet-probe-") as image:
        image.write(probe_firmware())
        image.flush()
        command = [qemu, "-accel", accel, "-bios", image.name, *_PROBE_MACHINE.split()]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=deadline_s,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            said = _last_words(late.stderr) or "no message"
            return Finding(False, f"the probe guest did not end within {deadline_s:g} s: {said}")
        except OSError as error:
            return Finding(False, f"{qemu} does not start: {error.strerror}")
    if done.stdout == _PROBE_OUTPUT:
        return Finding(True, "a probe guest ran under KVM")
    said = _last_words(done.stderr) or f"exit status {done.returncode}, no message"
    return Finding(False, f"the probe guest did not run: {said}")


_PROBE_MACHINE = (
    "-machine q35 -m 16 -no-user-config -nodefaults -no-reboot -display none -serial stdio"
)

# The probe's firmware, run from the reset vector: it enters 32-bit protected mode (every CPU with
# vmx or svm runs that natively, real mode needs newer ones), adds in a vector register, which
# KVM's instruction emulator cannot do, writes "fleet" to the serial port, its first letter being
# that sum, and resets the machine, at which QEMU ends because of -no-reboot.
_PROBE_OUTPUT = b"fleet"
_FIRMWARE_SIZE = 0x10000  # ends at 4 GiB; its copy at 0xf0000 is what the code runs from
_PROBE_PARTS = {
    0xFF00: (
        "2e 66 0f 01 16 d0 ff"  # lgdt cs:[0xffd0]
        "0f 20 c0 0c 01 0f 22 c0"  # cr0 |= 1: protected mode
        "66 ea 17 ff 0f 00 08 00"  # jmp 8:0xfff17, the next line
        "b8 00 06 00 00 0f 22 e0"  # cr4 = 0x600: vector instructions allowed
        "b8 33 00 00 00"  # mov eax, 0x33, half of "f"
        "66 0f 6e c0"  # movd xmm0, eax
        "66 0f fe c0"  # paddd xmm0, xmm0
        "66 0f 7e c0"  # movd eax, xmm0
        "66 ba f8 03 ee"  # out 0x3f8, al: the first serial port
        "b0 6c ee b0 65 ee b0 65 ee b0 74 ee"  # "leet"
        "66 ba f9 0c b0 06 ee"  # out 0xcf9, 6: reset
        "f4 eb fd"  # hlt, for ever
    ),
    0xFFC0: "00 00 00 00 00 00 00 00  ff ff 00 00 00 9b cf 00",  # GDT: null, flat 32-bit code
    0xFFD0: "0f 00 c0 ff 0f 00",  # its size - 1 and its address 0xfffc0
    0xFFF0: "ea 00 ff 00 f0",  # the reset vector: jmp 0xf000:0xff00
}


def probe_firmware() -> bytes:
    """The image that QEMU maps where a BIOS would be."""
    image = bytearray(_FIRMWARE_SIZE)
    for offset, code in _PROBE_PARTS.items():
        part = bytes.fromhex(code)
        image[offset : offset + len(part)] = part
    return bytes(image)


def _native_domain_types(capabilities_xml: str) -> list[str]:
    capabilities = ET.fromstring(capabilities_xml)
    native = capabilities.findtext("host/cpu/arch")
    return [
        domain.get("type", "")
        for arch in capabilities.iterfind("guest/arch")
        if arch.get("name") == native
        for domain in arch.iterfind("domain")
    ]


def _last_words(stderr: bytes | None) -> str:
    """The line of QEMU's messages that says what went wrong."""
    lines = (stderr or b"").decode(errors="replace").splitlines()
    telling = [line for line in lines if line.strip() and "warning:" not in line]
    # After this one QEMU dumps the registers, and stays.
    internal = [line for line in telling if line.startswith("KVM internal error")]
    return (internal or telling[-1:] or [""])[0].strip()


def _probe_key(qemu: str) -> str:
    boot_id = _read(Path("/proc/sys/kernel/random/boot_id")).strip()
    return f"{boot_id} {qemu} {Path(qemu).stat().st_mtime_ns}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _remember(cache: Path, key: str) -> None:
    """Write the key where that is allowed; who may not probes again next time."""
    try:
        cache.parent.mkdir(mode=0o755, exist_ok=True)
        cache.write_text(key, encoding="utf-8")
    except OSError:
        return

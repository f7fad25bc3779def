# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to libvirt: opened once, every error of it told in an operator's words."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from ..engine import xmltree
from ..engine.errors import ConnectionLost, FleetError

try:
    import libvirt
except ImportError as _error:
    libvirt = None
    IMPORT_ERROR: ImportError | None = _error
else:
    IMPORT_ERROR = None

# The rest of the collection takes libvirt from here, where its absence is dealt with.
__all__ = [
    "IMPORT_ERROR",
    "Host",
    "connect",
    "found",
    "libvirt",
    "patiently",
    "said",
    "wait_until",
]

Result = TypeVar("Result")
Opener = Callable[[str], Any]

# Since this version libvirt can be told to keep a TPM's state (VIR_DOMAIN_UNDEFINE_KEEP_TPM).
KEEPS_TPM = 8_009_000

# How long to wait for what somebody else does to the same resource: a pool that is being
# refreshed, a domain whose lock another client holds.
BUSY_TIMEOUT_S = 60.0


class Host:
    """One KVM host: the open connection, and what is the same for all resources on it."""

    def __init__(self, conn: Any, uri: str) -> None:
        self.conn = conn
        self.uri = uri
        self.refreshed_pools: set[str] = set()  # those whose volumes this run has looked for anew
        self._answers: dict[tuple[Any, ...], Any] = {}

    @cached_property
    def capabilities(self) -> xmltree.Element:
        """What the hypervisor can run, as libvirt's capabilities tree."""
        return xmltree.parse(self.conn.getCapabilities())

    @cached_property
    def machines(self) -> dict[str, str | None]:
        """The machine types by name; a family such as `q35` with its newest version."""
        machines = self.capabilities.findall("guest/arch/machine")
        return {machine.text or "": machine.get("canonical") for machine in machines}

    def machines_of(self, arch: str) -> list[str]:
        """The names of all machine types for an architecture, in libvirt's order."""
        of_arch = f"guest/arch[@name='{arch}']"
        machines = self.capabilities.findall(f"{of_arch}/machine")
        machines += self.capabilities.findall(f"{of_arch}/domain/machine")
        names = [name for m in machines for name in (m.text, m.get("canonical")) if name]
        return list(dict.fromkeys(names))

    def cpu_models(self, arch: str) -> list[str]:
        """The CPU models that libvirt knows for an architecture; none where it cannot be asked."""
        return list(self._asked("cpu-models", self.conn.getCPUModelNames, arch) or ())

    def cpu_modes(self, arch: str, machine: str, virt_type: str) -> dict[str, str]:
        """Whether each CPU mode is possible, `yes` or `no`; empty where nobody can tell."""
        modes = self._abilities(arch, machine, virt_type, "cpu/mode")
        return {mode.get("name", ""): mode.get("supported", "") for mode in modes}

    def video_models(self, arch: str, machine: str, virt_type: str) -> list[str]:
        """The graphics cards that the hypervisor has; none where nobody can tell."""
        path = "devices/video/enum[@name='modelType']/value"
        return [one.text or "" for one in self._abilities(arch, machine, virt_type, path)]

    def _abilities(self, arch: str, machine: str, virt_type: str, path: str) -> list[Any]:
        told = self.domain_capabilities(arch, machine, virt_type)
        return told.findall(path) if told is not None else []

    def domain_capabilities(
        self, arch: str, machine: str, virt_type: str
    ) -> xmltree.Element | None:
        """What the hypervisor has for a machine type; None where nobody can tell."""
        told = self._asked(
            "capabilities", self.conn.getDomainCapabilities, None, arch, machine, virt_type
        )
        return xmltree.parse(told) if told else None

    def _asked(self, what: str, call: Callable[..., Result], *of: Any) -> Result | None:
        """What a call tells, asked once; None where the driver or this host has no answer."""
        if (what, *of) not in self._answers:
            try:
                self._answers[(what, *of)] = call(*of)
            except libvirt.libvirtError:
                if not self.is_alive():
                    raise
                self._answers[(what, *of)] = None
        answer: Result | None = self._answers[(what, *of)]
        return answer

    @cached_property
    def best_virt_type(self) -> str:
        """`kvm` only where guests really run under it; `test` on the driver without guests."""
        types = {domain.get("type") for domain in self.capabilities.findall("guest/arch/domain")}
        if "test" in types:
            return "test"
        from .acceleration import accelerated, choose_virt_type

        probe = accelerated() if self.is_local and "kvm" in types else None
        return choose_virt_type(xmltree.serialise(self.capabilities), probe)[0]

    @cached_property
    def driver(self) -> str:
        """libvirt's driver: `QEMU`, or `TEST` for the one without a hypervisor."""
        return str(self.conn.getType())

    @cached_property
    def version(self) -> int:
        """The version of the hypervisor: 7002000 is 7.2.0."""
        return int(self.conn.getVersion())

    @cached_property
    def libvirt_version(self) -> int:
        """The version of libvirt there: 9001000 is 9.1.0."""
        return int(self.conn.getLibVersion())

    @cached_property
    def arch(self) -> str:
        """The architecture of the machine."""
        return xmltree.get(self.capabilities, "host/cpu/arch") or "x86_64"

    @cached_property
    def can_keep_tpm(self) -> bool:
        """Whether libvirt, there and its binding here, can be told what becomes of a TPM's state.

        An older one takes it along with the VM.
        """
        known = hasattr(libvirt, "VIR_DOMAIN_UNDEFINE_KEEP_TPM")
        return known and self.libvirt_version >= KEEPS_TPM

    @cached_property
    def state_folder(self) -> str:
        """Where a session's libvirt keeps its files; empty of the system's."""
        if not self.uri.partition("?")[0].endswith("/session"):
            return ""
        config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return f"{config}/libvirt"

    @cached_property
    def is_local(self) -> bool:
        """Whether the host has files and devices, as the test driver has not, and they are here."""
        scheme, _colon, rest = self.uri.partition("://")
        server = rest.split("/", 1)[0]
        is_near = not server and scheme.partition("+")[2] in ("", "unix")
        return is_near and self.driver != "TEST"

    @contextmanager
    def errors(self, resource: str, doing: str) -> Iterator[None]:
        """Tell a libvirt error as what could not be done to which resource."""
        try:
            yield
        except libvirt.libvirtError as error:
            if not self.is_alive():
                raise ConnectionLost(
                    f"the connection to libvirt at {_shown(self.uri)} was lost while it should "
                    f"{doing}; see that its daemon runs, and run again: the next run converges",
                    resource,
                ) from error
            raise FleetError(f"libvirt did not {doing}: {said(error)}", resource) from error

    def is_alive(self) -> bool:
        """Whether libvirt still answers."""
        try:
            return bool(self.conn.isAlive())
        except libvirt.libvirtError:
            return False


@contextmanager
def connect(
    uri: str, read_only: bool = False, opening: Callable[[Opener, str], Any] | None = None
) -> Iterator[Host]:
    """Open a connection and close it again. FleetError says why it could not be opened.

    `opening` is another way to open it than to call libvirt and wait.
    """
    # Without a handler libvirt writes every error to stderr, also those that are expected.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    try:
        opener = libvirt.openReadOnly if read_only else libvirt.open
        conn = opening(opener, uri) if opening is not None else opener(uri)
    except libvirt.libvirtError as error:
        raise FleetError(
            f"cannot connect to libvirt at {_shown(uri)}: {_shown(said(error), uri)}; see that its "
            "daemon runs and that this user may use it (group libvirt)"
        ) from error
    try:
        yield Host(conn, conn.getURI())  # not the alias of libvirt.conf that it was opened by
    finally:
        _close(conn)


def _shown(text: str, uri: str = "") -> str:
    """A URI, or what was said of one, without a password that somebody wrote into it."""
    from ..engine.secret_words import without_login

    return without_login(text, uri or text)


def _close(conn: Any) -> None:
    with suppress(libvirt.libvirtError):  # it may be lost, which was reported where it mattered
        conn.close()


def said(error: Any) -> str:
    """libvirt's own words for an error."""
    return str(error.get_error_message() or error)


def found(lookup: Callable[[str], Result], name: str, *missing: int) -> Result | None:
    """What a lookup by name finds, or None where libvirt answers with one of the missing codes."""
    try:
        return lookup(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() in missing:
            return None
        raise


def patiently(call: Callable[[], Result], timeout_s: float = BUSY_TIMEOUT_S) -> Result:
    """Call, and call again as long as libvirt says that somebody else holds the resource, or that
    the machine was too busy."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return call()
        except libvirt.libvirtError as error:
            if not _busy(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _busy(error: Any) -> bool:
    if error.get_error_code() == libvirt.VIR_ERR_OPERATION_TIMEOUT:
        return True  # "cannot acquire state change lock (held by ...)"
    # A pool in use by a job has no code of its own: storage_driver.c raises it as internal error.
    # And QEMU makes no LUKS header where it cannot measure its own speed (crypto/pbkdf.c).
    told = said(error)
    return "asynchronous jobs running" in told or "accurate CPU usage" in told


def wait_until(condition: Callable[[], bool], timeout_s: float, interval_s: float = 0.2) -> bool:
    """Whether a condition came true before the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval_s)
    return True

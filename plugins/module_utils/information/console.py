# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes down what a guest writes to its serial port, until something comes or time is over.

From the file that libvirt keeps of it, where there is one here, which disturbs nobody; otherwise by
libvirt's console, from now on.
"""

from __future__ import annotations

import base64
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..engine import xmltree
from ..engine.errors import FleetError, Mistakes
from ..engine.mark import is_template
from ..host.connection import Host, libvirt, said
from .awaited import Awaited
from .one_domain import NotThere, domain_of, in_check_mode
from .serial_source import Port, port_of
from .serial_text import MOST_BYTES, Captured, last_lines

LOOK_EVERY_S = 0.25
CHUNK = 1 << 16


def prepare() -> None:
    """To be called before the connection is opened: its streams are to be waited for together
    with a deadline, which needs libvirt's event loop."""
    if libvirt is not None:
        libvirt.virEventRegisterDefaultImpl()


def capture(host: Host, params: Mapping[str, Any], checking: bool) -> dict[str, Any]:
    """What came, in `content` (base64), and what it says; `failed` where the awaited did not."""
    awaited = _awaited(params)
    captured = Captured(awaited)
    try:
        watch = _Watch(host, params, captured)
    except NotThere as error:
        if not checking:
            raise
        return in_check_mode(error, "look at its console")
    if checking:
        return {"changed": True, "source": watch.source, "started": watch.starts}
    began = time.monotonic()
    watch.run(began + params["timeout_s"])
    if awaited and awaited.given_up:
        raise FleetError(
            f"{params['until']!r} was still being searched for in what it wrote when "
            f"{params['timeout_s']} s were over; write it without repetitions of repetitions",
            watch.resource,
            "until",
        )
    return _told(watch, captured, params, time.monotonic() - began)


def _awaited(params: Mapping[str, Any]) -> Awaited | None:
    """What is to be waited for. FleetErrors with all that is wrong with the options."""
    mistakes = Mistakes(f"vm/{params['name']}")
    for name, what in (("timeout_s", "time; write seconds"), ("lines", "number of lines; write")):
        if params[name] < 0:
            mistakes.add(f"{params[name]} is no {what}, 0 or more", name)
    awaited = None
    try:
        if params["until"] == "":
            mistakes.add(
                "is empty, and that is in every text; leave it out to wait for none", "until"
            )
        elif params["until"] is not None:
            awaited = Awaited(re.compile(params["until"], re.MULTILINE))
    except re.error as error:
        mistakes.add(f"is no regular expression: {error}", "until")
    mistakes.raise_any()
    return awaited


def _told(
    watch: _Watch, captured: Captured, params: Mapping[str, Any], took_s: float
) -> dict[str, Any]:
    raw = bytes(captured.raw)
    told = {
        "content": base64.b64encode(raw).decode(),
        "source": watch.source,
        "device": watch.port.alias,
        "started": watch.starts,
        "matched": captured.matched,
        "seconds": round(took_s, 1),
        "left_out_bytes": captured.lost,
        "lines": last_lines(raw, params["lines"]),
    }
    if params["until"] and captured.matched is None:
        why = "stopped" if watch.is_over else f"wrote for {params['timeout_s']} s"
        last = last_lines(raw, min(params["lines"], 1))
        seen = f"; the last that it wrote: {last[0]!r}" if last else ""
        nothing = "" if raw else "; it wrote nothing at all"
        said_so = f"vm/{params['name']} until: {why}, and {params['until']!r} was not in it"
        told.update(failed=True, msg=f"{said_so}{seen}{nothing}")
    return told


class _Watch:
    """One VM whose serial port is looked at, from a file of it or by its console."""

    def __init__(self, host: Host, params: Mapping[str, Any], captured: Captured) -> None:
        self.host, self.params, self.captured = host, params, captured
        self.resource = f"vm/{params['name']}"
        self.domain = domain_of(host, params["name"])
        self.starts = params["start"] and not self.domain.isActive()
        definition = xmltree.parse(self.domain.XMLDesc())
        if self.starts and is_template(definition):
            raise FleetError("is a template, which is never started", self.resource, "start")
        self.port: Port = port_of(definition, params["device"], self.resource)
        self.file = Path(self.port.file) if self.port.file and host.is_local else None
        self.source = "file" if self.file else "console"
        self.is_over = False
        if self.file is None:
            self._require_console()

    def _require_console(self) -> None:
        if not self.starts and not self.domain.isActive():
            raise NotThere(
                "does not run, and there is no log of its serial port; have it started with "
                "start: true",
                self.resource,
                "state",
            )
        if self.port.type != "pty":
            raise FleetError(
                f"has a serial port of type {self.port.type}, which libvirt opens for nobody; "
                "one of type pty can be looked at",
                self.resource,
                "serial.type",
            )

    def run(self, deadline: float) -> None:
        """Look until all is there, the VM is over, or the deadline has come."""
        if self.captured.awaited:
            self.captured.awaited.deadline = deadline
        with self._let_go():
            if self.file is None:
                self._follow_console(deadline)
            else:
                self._follow_file(self.file, deadline)

    @contextmanager
    def _let_go(self) -> Iterator[None]:
        """Where the VM is to be started, it stands still until somebody looks."""
        self.held = self.starts
        self.skipped = 0
        if self.starts:
            if self.file and self.port.appends and self.file.exists():
                self.skipped = self.file.stat().st_size
            with self.host.errors(self.resource, "start it"):
                self.domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        try:
            yield
        finally:
            self._resume()

    def _resume(self) -> None:
        if self.held:
            self.held = False
            with self.host.errors(self.resource, "let it run"):
                self.domain.resume()

    # ---- a file

    def _follow_file(self, path: Path, deadline: float) -> None:
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait for whoever writes
                raise FleetError(
                    f"its serial port is written to {path}, which is no regular file",
                    self.resource,
                    "serial",
                )
            with path.open("rb") as file:
                self._resume()
                end = file.seek(0, 2)
                file.seek(max(self.skipped, end - MOST_BYTES))
                self.captured.lost = file.tell() - self.skipped
                self.captured.take(file.read())
                self._follow(file, deadline)
        except OSError as error:
            raise FleetError(
                f"its serial port is written to {path}, which cannot be read: {error.strerror}; "
                "run with become: true",
                self.resource,
                "serial",
            ) from error

    def _follow(self, file: IO[bytes], deadline: float) -> None:
        while not self._is_enough(deadline):
            over = not self.domain.isActive()
            time.sleep(LOOK_EVERY_S)  # what it wrote last comes through another process
            self.captured.take(file.read())
            self.is_over = over

    def _is_enough(self, deadline: float) -> bool:
        return self.is_over or self.captured.is_done or time.monotonic() > deadline

    # ---- the console

    def _follow_console(self, deadline: float) -> None:
        stream = self.host.conn.newStream(libvirt.VIR_STREAM_NONBLOCK)
        self._open(stream)
        events = (
            libvirt.VIR_STREAM_EVENT_READABLE
            | libvirt.VIR_STREAM_EVENT_ERROR
            | libvirt.VIR_STREAM_EVENT_HANGUP
        )
        stream.eventAddCallback(events, self._came, None)
        # Without it the loop would wait for the guest to say something.
        timer = libvirt.virEventAddTimeout(int(LOOK_EVERY_S * 1000), lambda *_: None, None)
        try:
            self._resume()
            while not self._is_enough(deadline):
                libvirt.virEventRunDefaultImpl()
        finally:
            libvirt.virEventRemoveTimeout(timer)
            stream.eventRemoveCallback()
            _close(stream)

    def _open(self, stream: Any) -> None:
        flags = libvirt.VIR_DOMAIN_CONSOLE_FORCE if self.params["force"] else 0
        try:
            self.domain.openConsole(self.params["device"], stream, flags)
        except libvirt.libvirtError as error:
            if "Active console session" not in said(error):
                raise FleetError(
                    f"libvirt did not open its console: {said(error)}", self.resource
                ) from error
            raise FleetError(
                "its console is open for somebody else; force: true takes it from them",
                self.resource,
                "force",
            ) from error

    def _came(self, stream: Any, events: int, _opaque: Any) -> None:
        """Take what is there; nothing at the end of the VM."""
        try:
            while isinstance(data := stream.recv(CHUNK), bytes):
                if not data:
                    self.is_over = True
                    return
                self.captured.take(data)
        except libvirt.libvirtError:  # the VM is gone, or somebody took the console
            self.is_over = True


def _close(stream: Any) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:  # it has ended already
        return

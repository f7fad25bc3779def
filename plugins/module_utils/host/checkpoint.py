# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host sets back by itself unless it is told in time that it can still be reached.

What is to be set back is in a file, and a program of our own beside it, so that neither a run that
is killed nor a start of the host is in the way. A service of systemd runs the program when the host
starts, and timers start it in time. Whoever takes the file's lock first decides.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..engine.errors import FleetError
from . import units
from .writing import flush, write_whole

FOLDER = Path("/var/lib/kvm-fleet/rollback")
SERVICE = "kvm-fleet-rollback.service"
TIMER = "kvm-fleet-rollback"  # of which there is one while it is applied, and one afterwards
# For a run that is killed in the midst: it has this long, and then as long as its confirmation.
APPLY_S = 60
OURS = "ansible_collections.kvm.fleet"
_UNIT = """\
# Made by the Ansible collection kvm.fleet, and removed once the change is confirmed.
[Unit]
Description=Set a switch back that nobody has confirmed
ConditionPathExists={pending}
After=systemd-networkd.service NetworkManager.service
After=openvswitch-switch.service ovs-vswitchd.service network.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={python} {program} restore
TimeoutStartSec=300
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
"""


def _pending() -> Path:
    return FOLDER / "pending.json"


def _program() -> Path:
    return FOLDER / "program.zip"


def pending() -> dict[str, Any] | None:
    """The change that nobody has confirmed yet."""
    return _read(_pending())


def last_rolled_back() -> dict[str, Any] | None:
    """The change that was last set back, and when."""
    return _read(FOLDER / "rolled-back.json")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError):
        return None


@contextmanager
def locked() -> Iterator[None]:
    """Nobody else takes, confirms or restores meanwhile."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---- taking one


def take(saved: Mapping[str, Any], resource: str, timeout_s: int, program: str) -> None:
    """Have the host set back what is saved, unless it is confirmed. FleetError where it will not.

    `program` is the module, which is loaded, whose main sets back. A run that changes several
    switches has one checkpoint for all of them.
    """
    with locked():
        found = pending()
        if found is not None and found["process"] != _process(os.getpid()):
            raise FleetError(f"{found['resource']} is not confirmed yet, or set back", resource)
        said = found or _new(resource)
        said["saved"].append(dict(saved))
        said["timeout_s"] = max(timeout_s, said["timeout_s"])
        if found is None:
            write_whole(_program(), _payload(program))
            _check_program(resource)
            _install()
        write_whole(_pending(), json.dumps(said).encode())
    _arm("apply", timeout_s + APPLY_S, resource)


def _new(resource: str) -> dict[str, Any]:
    process = _process(os.getpid())
    said = {"id": os.urandom(6).hex(), "resource": resource, "process": process}
    return {**said, "saved": [], "timeout_s": 0}


def _process(pid: int) -> list[Any]:
    """A process, told from another that gets its number: with when it began."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2]
    except OSError:
        return [pid, ""]
    return [pid, after_name.split()[19]]


def _payload(program: str) -> bytes:
    """What is loaded of this collection, as a program of its own."""
    file = io.BytesIO()
    names = sorted(name for name in sys.modules if name.startswith(f"{OURS}."))
    packages = {name.rpartition(".")[0] for name in names} | {OURS}
    packages |= {above for name in names for above in _above(name)}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in packages:
            archive.writestr(f"{name.replace('.', '/')}/__init__.py", "")
        for name in names:
            text = None if name in packages else _source(name)
            if text is not None:
                archive.writestr(f"{name.replace('.', '/')}.py", text)
        archive.writestr("__main__.py", f"from {program} import main\nmain()\n")
    return file.getvalue()


def _above(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:size]) for size in range(1, len(parts)))


def _source(name: str) -> str | None:
    spec = getattr(sys.modules[name], "__spec__", None)
    loader: Any = None if spec is None else spec.loader
    text = loader.get_source(name) if hasattr(loader, "get_source") else None
    return None if text is None else str(text)


def _check_program(resource: str) -> None:
    """It has to run by itself before anything is changed that it is to set back."""
    done = _called(sys.executable, str(_program()), "check")
    if done.returncode:
        last = done.stderr.strip().split("\n")[-1]
        raise FleetError(
            f"cannot be set back by the host, so nothing was changed: {last}", resource
        )


def _install() -> None:
    """The service, which a start of the host runs as well."""
    unit = _UNIT.format(pending=_pending(), python=sys.executable, program=_program())
    units.install(SERVICE, unit)
    _called("systemctl", "daemon-reload")


def _arm(what: str, after_s: int, resource: str) -> None:
    name = f"{TIMER}-{what}"
    _called("systemctl", "stop", f"{name}.timer")
    when = [f"--on-active={after_s}", "--timer-property=AccuracySec=1s", f"--unit={name}"]
    done = _called("systemd-run", *when, "systemctl", "--no-block", "start", SERVICE)
    if done.returncode:
        raise FleetError(f"systemd-run says: {done.stderr.strip()}", resource)


def await_confirmation() -> dict[str, Any]:
    """Once all is applied: from now on the time counts in which it is to be confirmed."""
    found = _applied()
    if found is None:
        return {}
    with suppress(FleetError):  # else the first timer stays
        _arm("confirm", found["timeout_s"], found["resource"])
        _called("systemctl", "stop", f"{TIMER}-apply.timer")
    return {name: found[name] for name in ("id", "resource", "timeout_s")}


def _applied() -> dict[str, Any] | None:
    """Nobody applies it any more who would have to be ended first."""
    with locked():
        found = pending()
        if found is not None:
            found["process"] = [0, ""]
            write_whole(_pending(), json.dumps(found).encode())
    return found


def set_back() -> bool:
    """At once, and wait for it; whether it was."""
    found = _applied()
    _called("systemctl", "start", SERVICE)
    last = last_rolled_back()
    return found is not None and last is not None and last["id"] == found["id"]


# ---- its end


def confirm(name: str) -> bool:
    """Whether it was there to be confirmed."""
    with locked():
        found = pending()
        if found is None or found["id"] != name:
            return False
        _pending().unlink()
        flush(FOLDER)
    disarm()
    _called("systemctl", "daemon-reload")
    return True


def rolled_back(found: Mapping[str, Any], errors: list[str]) -> None:
    """Note that it was set back, which is the end of it."""
    said = {**{name: found[name] for name in ("id", "resource")}, "at": time.time()}
    write_whole(FOLDER / "rolled-back.json", json.dumps({**said, "errors": errors}).encode())
    _pending().unlink()
    flush(FOLDER)


def disarm() -> None:
    """Nothing is left of the timers, the service and the program.

    systemd is not told of the service: as long as that runs, it would forget its limits.
    """
    _called("systemctl", "stop", *(f"{TIMER}-{what}.timer" for what in ("apply", "confirm")))
    units.remove(SERVICE)
    _program().unlink(missing_ok=True)


def end_of(process: list[Any], timeout_s: float = 5.0) -> None:
    """End the run that was applying it, if it still does."""
    deadline = time.monotonic() + timeout_s
    while process[1] and _process(process[0]) == process and time.monotonic() < deadline:
        with suppress(ProcessLookupError):
            os.kill(process[0], 9)
        time.sleep(0.1)


def _called(*command: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        return subprocess.CompletedProcess(command, 127, "", f"the host has no {command[0]}")
    return subprocess.run(command, capture_output=True, text=True, check=False)

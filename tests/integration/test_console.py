"""What a guest shows: its serial port taken down, its screen as a picture, nobody disturbed."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import libvirt
import pytest
import yaml

from support.ansible_runs import run_playbook
from support.guest import CHANNEL, COMMAND_LINE, TinyGuest, provide
from support.module_server import ModuleServer
from support.private_libvirtd import IMAGES, PrivateLibvirtd

LONG_S = 300
# Until the guest stops, so that no test has to be in time.
GOES_ON = "while sleep 1; do echo no such word >/dev/ttyS0; done"
GUEST_FILES = IMAGES / "tiny-guest-console"


class Shown:
    """A VM of this test's own that has a serial port and a screen."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, folder: Path
    ) -> None:
        self.libvirtd, self.modules, self.name = libvirtd, modules, f"{prefix}vm"
        self.folder = folder
        self.guest = TinyGuest(self.name, libvirtd.uri, libvirtd.outside)

    def declare(self, **options: Any) -> None:
        small = {"virt_type": "qemu", "memory": {"size": "128MiB"}}
        done = self.modules.run("vm", {"name": self.name, **small, **options})
        assert not done.get("failed"), done["msg"]

    def boots(self, **options: Any) -> None:
        provide(self.libvirtd.outside(GUEST_FILES))
        boot = {
            "kernel": f"{GUEST_FILES}/vmlinuz",
            "initrd": f"{GUEST_FILES}/initramfs.img",
            "cmdline": COMMAND_LINE,
        }
        self.declare(boot=boot, channels=[{"name": CHANNEL}], **options)

    def ask(self, module: str, check: bool = False, **options: Any) -> dict[str, Any]:
        """What the module itself returns, which writes no file."""
        return self.modules.run(module, {"name": self.name, "dest": "x", **options}, check)

    def play(self, *tasks: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """The results of tasks of which each may fail."""
        whole = [
            {
                "name": str(number),
                f"kvm.fleet.{module}": {"name": self.name, **options},
                "ignore_errors": True,
            }
            for number, (module, options) in enumerate(tasks)
        ]
        play = {"name": "Look", "hosts": "localhost", "gather_facts": False, "tasks": whole}
        run = run_playbook(yaml.safe_dump([play]), on=self.libvirtd)
        assert run.returncode == 0 and len(run.tasks) == len(tasks), run.output
        return [run.result_of(str(number)) for number in range(len(tasks))]

    def log_to(self, path: Path) -> None:
        """Have libvirt keep a log of the serial port."""
        xml = self.libvirtd.virsh("dumpxml", "--inactive", self.name)
        log = f"<serial type='pty'><log file='{path}' append='on'/>"
        xml = xml.replace("<serial type='pty'>", log)
        self.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=xml)

    @contextmanager
    def held(self) -> Iterator[libvirt.virStream]:
        """The console, open for somebody else."""
        connection = libvirt.open(self.libvirtd.uri)
        stream = connection.newStream(0)
        connection.lookupByName(self.name).openConsole(None, stream, 0)
        try:
            yield stream
        finally:
            with suppress(libvirt.libvirtError):  # somebody took it
                stream.abort()
            connection.close()


@pytest.fixture
def shown(libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str, tmp_path: Path) -> Shown:
    return Shown(libvirtd, modules, prefix, tmp_path)


def test_what_cannot_be_looked_at_is_told(shown: Shown) -> None:
    assert shown.ask("vm_console")["msg"] == f"vm/{shown.name} name: is not there"
    planned = shown.ask("vm_screenshot", check=True)
    assert planned["changed"] and "is not there; a run needs it to" in str(planned["warnings"])
    shown.declare()
    for module in ("vm_console", "vm_screenshot"):
        assert "does not run" in shown.ask(module)["msg"]
        assert "does not run" in str(shown.ask(module, check=True)["warnings"])
        assert "is no host" in shown.ask(module, uri="snapshot:/x")["msg"]
    planned = shown.ask("vm_console", check=True, start=True)
    assert (planned["changed"], planned["started"], planned["source"]) == (True, True, "console")
    assert shown.guest.state() == "shut off"
    told = shown.ask("vm_console", until="(", timeout_s=-1, lines=-2)["msg"]
    assert "timeout_s: -1 is no time" in told and "lines: -2 is no number of lines" in told
    assert "is no regular expression" in told
    assert "until: is empty" in shown.ask("vm_console", until="")["msg"]
    assert "console 'serial3'" in shown.ask("vm_console", device="serial3")["msg"]
    shown.declare(serial={"type": "none"}, state="running")
    assert "declare serial.type: pty" in shown.ask("vm_console")["msg"]
    assert "has no graphics card" in shown.ask("vm_screenshot")["msg"]


def test_a_log_that_is_a_pipe_is_not_waited_for(shown: Shown, images: Path) -> None:
    shown.declare(serial={"type": "pty"})
    shown.log_to(images / "pipe")
    shown.libvirtd.run(["mkfifo", str(images / "pipe")])
    assert "which is no regular file" in shown.ask("vm_console", timeout_s=1)["msg"]


def pixels_of(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and pixels, by the parts that every PNG of RGB has."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    at = png.index(b"IDAT")
    rows = zlib.decompress(png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at], "big")])
    assert len(rows) == height * (width * 3 + 1)
    lines = (rows[at + 1 : at + 1 + width * 3] for at in range(0, len(rows), width * 3 + 1))
    return width, height, b"".join(lines)


@pytest.mark.boots_guest
def test_a_start_is_taken_down_and_its_screen_is_seen(shown: Shown) -> None:
    shown.boots(graphics={"type": "vnc"}, serial={"type": "pty"})
    log, png = shown.folder / "boot.log", shown.folder / "screen.png"
    until = {"dest": str(log), "until": "^GUEST-READY", "timeout_s": LONG_S}
    [started] = shown.play(("vm_console", {**until, "start": True, "lines": 2}))
    shown.libvirtd.virsh("suspend", shown.name)  # or its cursor would blink
    picture, again = shown.play(*[("vm_screenshot", {"dest": str(png)})] * 2)
    assert not started.get("failed"), started.get("msg")
    assert (started["changed"], started["started"], started["source"]) == (True, True, "console")
    assert started["matched"] == "GUEST-READY" and len(started["lines"]) <= 2
    written = log.read_bytes()
    assert b"GUEST-READY" in written and started["size_bytes"] == len(written)
    assert "content" not in started and started["dest"] == str(log)

    width, height, pixels = pixels_of(png.read_bytes())
    assert (picture["width"], picture["height"]) == (width, height)
    assert picture["changed"] and not again["changed"] and "content" not in picture
    theirs = IMAGES / f"{shown.name}.ppm"
    shown.libvirtd.virsh("screenshot", shown.name, str(theirs))
    ppm = shown.libvirtd.outside(theirs).read_bytes()
    shown.libvirtd.virsh("resume", shown.name)
    assert ppm == b"P6\n%d %d\n255\n" % (width, height) + pixels or ppm == png.read_bytes()

    # What does not come is a failure, and what came instead is in the file.
    shown.guest.shell(f"({GOES_ON}) </dev/null >/dev/null 2>&1 &")
    [late] = shown.play(("vm_console", {"dest": str(log), "until": "never", "timeout_s": 15}))
    assert late["changed"] and not late["started"]
    assert "wrote for 15 s, and 'never' was not in it" in late["msg"]
    assert "the last that it wrote: 'no such word'" in late["msg"]
    assert b"no such word" in log.read_bytes()

    with shown.held() as stream:
        assert "open for somebody else; force: true" in shown.ask("vm_console")["msg"]
        shown.guest.shell("echo still here >/dev/ttyS0")
        came = b""
        while b"still here" not in came:
            came += stream.recv(1000)
        forced = shown.ask("vm_console", force=True, timeout_s=1)
        assert not forced.get("failed") and forced["matched"] is None
        with pytest.raises(libvirt.libvirtError):
            while stream.recv(1000):
                pass
            raise libvirt.libvirtError("it has ended")
    # A VM that stops ends the wait.
    shown.guest.shell("(sleep 3; poweroff -f) </dev/null >/dev/null 2>&1 &")
    stopped = shown.ask("vm_console", until="never", timeout_s=LONG_S)
    assert "until: stopped, and 'never' was not in it" in stopped["msg"]


@pytest.mark.boots_guest
def test_a_log_is_read_from_the_start_on_and_disturbs_nobody(shown: Shown, images: Path) -> None:
    shown.boots(serial={"type": "pty"})
    path = images / "serial.log"
    shown.log_to(path)
    shown.libvirtd.outside(path).write_text("GUEST-READY of an earlier start\n")
    looked = shown.ask("vm_console", until="^GUEST-READY.*", timeout_s=LONG_S, start=True)
    assert (looked["source"], looked["started"]) == ("file", True)
    assert looked["matched"].startswith("GUEST-READY {")
    assert b"an earlier start" not in base64.b64decode(looked["content"])
    with shown.held():
        now = shown.ask("vm_console", timeout_s=0)
    whole = base64.b64decode(now["content"])
    assert whole.startswith(b"GUEST-READY of an earlier start") and not now["changed"]
    shown.guest.poweroff()
    off = shown.ask("vm_console", until="Power down|reboot: ", timeout_s=LONG_S)
    assert off["seconds"] < LONG_S
    assert re.search(b"GUEST-READY {", base64.b64decode(off["content"]))

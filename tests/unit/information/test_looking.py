"""Pictures and serial consoles: what is made of the bytes that come."""

from __future__ import annotations

import re
import signal
import struct
import zlib

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.information import awaited, serial_text
from ansible_collections.kvm.fleet.plugins.module_utils.information.awaited import Awaited
from ansible_collections.kvm.fleet.plugins.module_utils.information.picture import (
    png_of,
    size_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.information.serial_source import (
    Port,
    port_of,
)
from ansible_collections.kvm.fleet.plugins.module_utils.information.serial_text import (
    Captured,
    last_lines,
    plain,
)

PIXELS = bytes(range(18))  # three by two


def chunks(png: bytes) -> dict[bytes, bytes]:
    """The chunks of a PNG by their names, each with its checksum compared."""
    found, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(name + data)
        found[name] = data
        at += 12 + length
    return found


@pytest.mark.parametrize(
    "header", [b"P6\n3 2\n255\n", b"P6 3 2 255 ", b"P6\n# made by\n# nobody\n3\t2\n# here\n255\n"]
)
def test_a_ppm_becomes_a_png_of_the_same_pixels(header: bytes) -> None:
    png = png_of(header + PIXELS)
    assert png.startswith(b"\x89PNG\r\n\x1a\n") and size_of(png) == (3, 2)
    found = chunks(png)
    assert list(found) == [b"IHDR", b"IDAT", b"IEND"]
    assert found[b"IHDR"][8:] == bytes([8, 2, 0, 0, 0])
    assert zlib.decompress(found[b"IDAT"]) == b"\0" + PIXELS[:9] + b"\0" + PIXELS[9:]
    assert png_of(png) is png


def test_white_space_may_be_the_first_pixel() -> None:
    pixels = b"\n \t" + PIXELS[3:]
    assert b"\0\n \t" in zlib.decompress(chunks(png_of(b"P6\n3 2\n255\n" + pixels))[b"IDAT"])


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (b"", "neither PNG nor PPM"),
        (b"GIF89a", "neither PNG nor PPM"),
        (b"P6\n3 2\n65535\n" + PIXELS * 2, "values up to 65535"),
        (b"P6\n3 2\n255\n" + PIXELS[1:], "of 3x2 with values up to 255 in 17 bytes"),
    ],
)
def test_what_is_no_picture_is_told(picture: bytes, said: str) -> None:
    with pytest.raises(FleetError, match=re.escape(said)):
        png_of(picture)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a\r\nb\r\r\nc\rd", "a\nb\nc\nd"),
        (b"[\x1b[0;32m  OK  \x1b[0m] Started", "[  OK  ] Started"),
        (b"\x1b]0;title\x07x\x1b]8;;u\x1b\\y\x1bPq\x1b\\z", "xyz"),
        (b"\x1b[2J\x1b[1;1H\x1b(B\x1b=\x1bcgrub\x00\x08>", "grub>"),
        (b"\xc3\xa4\xff\ttab", "\u00e4\ufffd\ttab"),
        (b"\x1b]never ends\r\nand goes on", "never ends\nand goes on"),
    ],
)
def test_what_only_a_terminal_understands_is_left_out(raw: bytes, text: str) -> None:
    assert plain(raw) == text


def test_the_last_lines_are_those_that_say_something() -> None:
    raw = b"one\r\n\r\n\x1b[31mtwo  \x1b[0m\r\n" + b"x" * 600 + b"\r\n\r\n"
    assert last_lines(raw, 2) == ["two", "x" * 500]
    assert last_lines(raw, 9) == ["one", "two", "x" * 500]
    assert last_lines(raw, 0) == []


def test_the_awaited_is_found_also_where_it_comes_in_pieces() -> None:
    captured = Captured(Awaited(re.compile("^web login:", re.MULTILINE)))
    for piece in (b"Debian\r\nweb \x1b[", b"0mlog", b"in"):
        captured.take(piece)
        assert not captured.is_done
    captured.take(b": ")
    assert captured.is_done and captured.matched == "web login:"
    assert bytes(captured.raw) == b"Debian\r\nweb \x1b[0mlogin: "


def test_of_too_much_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_text, "MOST_BYTES", 10)
    captured = Captured(Awaited(re.compile("first")))
    captured.take(b"the first word")
    captured.take(b" and the last")
    assert bytes(captured.raw) == b"d the last" and captured.lost == 17
    assert captured.matched == "first"


def test_a_search_that_would_take_for_hours_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaited, "GRACE_S", 0.05)
    captured = Captured(Awaited(re.compile("(a+)+$")))
    captured.take(b"a" * 60 + b"!")
    assert captured.is_done and captured.matched is None
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_a_guest_writes_keeps_nobody_busy_that_reads_it() -> None:
    """Strings of terminals that never end: with a look to the end of the line it took hours."""
    assert plain(b"\x1b]" * (1 << 18) + b"end").endswith("end")


DEVICES = """<domain><devices>
<serial type='pty'><log file='/l/web.log' append='on'/><alias name='serial0'/></serial>
<serial type='file'><source path='/l/two' append='off'/><alias name='serial1'/></serial>
<console type='pty'/><console type='pty'><alias name='console1'/></console></devices></domain>"""


@pytest.mark.parametrize(
    ("alias", "port"),
    [
        (None, Port("serial0", "pty", "/l/web.log", True)),
        ("serial1", Port("serial1", "file", "/l/two", False)),
        ("console1", Port("console1", "pty", "", False)),
    ],
)
def test_a_port_is_read_where_it_is_kept(alias: str | None, port: Port) -> None:
    assert port_of(xmltree.parse(DEVICES), alias, "vm/web") == port


def test_a_port_that_is_not_there_is_told() -> None:
    with pytest.raises(FleetError, match=r"'serial7', but serial0, serial1, console0, console1"):
        port_of(xmltree.parse(DEVICES), "serial7", "vm/web")
    with pytest.raises(FleetError, match=r"declare serial\.type: pty"):
        port_of(xmltree.parse("<domain><devices/></domain>"), None, "vm/web")

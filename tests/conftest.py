"""Fixtures for every test that needs a real libvirtd."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import choice
from support.commands import ROOT
from support.guest_moves import Moves
from support.leftovers import remove_all
from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import IMAGES, PrivateLibvirtd, why_not_here
from support.two_hosts import TwoHosts, two_hosts

CHOSEN = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sample",
        action="store_true",
        help="of the long tests those that the last commits touch, and a share of the others",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long tests that are not chosen."""
    if not config.option.sample:
        return
    units = {item: unit for item in items if (unit := long_unit(item))}
    chosen = choice.choose_tests(
        dict(units.values()), choice.changes_of(ROOT), choice.tree_of(ROOT)
    )
    left = [item for item, (name, _touched) in units.items() if name not in chosen]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]
    config.stash[CHOSEN] = "\n".join(
        [f"long test {name}: {reason}" for name, reason in chosen.items()]
        + [f"long tests that are not in this run: {len(left)}; make test-all runs all"]
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if said := terminalreporter.config.stash.get(CHOSEN, ""):
        terminalreporter.section("sample")
        terminalreporter.write_line(said)


def long_unit(item: pytest.Item) -> tuple[str, str] | None:
    """The name of a long test, or of its file where tests need each other, and what touches it."""
    if not (marker := item.get_closest_marker("long")):
        return None
    file = item.path.relative_to(ROOT).as_posix()
    name = file if marker.kwargs.get("together") else item.nodeid
    return name, f"{marker.kwargs['touched_by']}|{re.escape(file)}$"


@pytest.fixture(scope="session")
def private_libvirtd() -> Iterator[PrivateLibvirtd]:
    """The libvirtd of this test run (or of this xdist worker)."""
    if reason := why_not_here():
        pytest.skip(reason)
    # Directly below /tmp: sockets need a short path, and QEMU's user must be able to pass.
    daemon = PrivateLibvirtd(Path(tempfile.mkdtemp(prefix="kvmf-", dir="/tmp")))
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def libvirtd(private_libvirtd: PrivateLibvirtd) -> Iterator[PrivateLibvirtd]:
    """A libvirtd that is up at the beginning of each test; a test may kill it."""
    yield private_libvirtd
    if not private_libvirtd.answers():
        private_libvirtd.start_libvirtd()


@pytest.fixture
def prefix(libvirtd: PrivateLibvirtd, request: pytest.FixtureRequest) -> Iterator[str]:
    """Seven characters to begin names with, always the same for a test; what carries them is
    removed from libvirt afterwards."""
    test = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:5]
    prefix = f"t{test}-"
    yield prefix
    if not libvirtd.answers():
        libvirtd.start_libvirtd()
    remove_all(libvirtd.uri, prefix)


@pytest.fixture
def images(libvirtd: PrivateLibvirtd, prefix: str) -> Iterator[Path]:
    """A folder for this test's pools and images, by the path under which libvirtd knows it."""
    folder = IMAGES / f"{prefix}images"
    outside = libvirtd.outside(folder)
    outside.mkdir(mode=0o711)
    yield folder
    shutil.rmtree(outside)


@pytest.fixture(scope="session")
def modules(private_libvirtd: PrivateLibvirtd) -> Iterator[ModuleServer]:
    """Runs modules where the private libvirtd is the host's own."""
    with ModuleServer(private_libvirtd.entry()) as server:
        yield server


@pytest.fixture
def observer(libvirtd: PrivateLibvirtd, prefix: str) -> Iterator[Observer]:
    """Sees all that carries this test's prefix."""
    observer = Observer(libvirtd, prefix)
    yield observer
    observer.close()


@pytest.fixture(scope="session")
def two_private_hosts() -> Iterator[TwoHosts]:
    """Two hosts of this test run, between which VMs migrate."""
    if reason := why_not_here():
        pytest.skip(reason)
    folder = tempfile.mkdtemp(prefix="kvmf-", dir="/tmp")
    Path(folder).rmdir()
    with two_hosts(Path(folder)) as hosts:
        yield hosts


@pytest.fixture
def moves(two_private_hosts: TwoHosts, request: pytest.FixtureRequest) -> Iterator[Moves]:
    """A VM of this test's own, to be moved; it and all of it is removed afterwards."""
    prefix = f"t{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:5]}-"
    moves = Moves(two_private_hosts, prefix)
    moves.make_pools()
    yield moves
    moves.clear()

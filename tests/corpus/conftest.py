"""Which definitions are tried; and how many of them came through, at the end of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.corpus import CORPUS, definitions_in


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("corpus")
    for option, kind, of in (
        ("--definitions", "vm", "VMs"),
        ("--networks", "vswitch", "networks"),
        ("--pools", "storage_pool", "pools"),
    ):
        group.addoption(
            option,
            type=Path,
            default=CORPUS / kind,
            help=f"a folder of definitions of {of} to try, of any depth (%(default)s)",
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test has a definition of a VM, a network or a pool, by the name of what it takes."""
    for name, option in (
        ("definition", "definitions"),
        ("network_file", "networks"),
        ("pool_file", "pools"),
    ):
        if name in metafunc.fixturenames:
            folder = metafunc.config.getoption(option)
            files = definitions_in(folder)
            ids = [str(file.relative_to(folder).with_suffix("")) for file in files]
            metafunc.parametrize(name, files, ids=ids)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = {
        outcome: sum("definition" in report.keywords for report in found)
        for outcome, found in terminalreporter.stats.items()
        if outcome in ("passed", "failed", "skipped")
    }
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "none"
    terminalreporter.section("corpus")
    terminalreporter.write_line(f"definitions: {said}")

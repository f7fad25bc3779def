"""Which definitions are tried; and how many of them came through, at the end of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.corpus import CORPUS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("corpus").addoption(
        "--definitions",
        type=Path,
        default=CORPUS / "vm",
        help="a folder of definitions of VMs to try, of any depth (%(default)s)",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = {
        outcome: sum("definition" in report.keywords for report in found)
        for outcome, found in terminalreporter.stats.items()
        if outcome in ("passed", "failed", "skipped")
    }
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "none"
    terminalreporter.section("corpus")
    terminalreporter.write_line(f"definitions: {said}")

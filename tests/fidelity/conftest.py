"""How many transitions, from which seed; and what came of it, at the end of the run."""

from __future__ import annotations

import random

import pytest

TRANSITIONS = 150


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fidelity")
    group.addoption(
        "--transitions",
        type=int,
        default=TRANSITIONS,
        help="how many to try (%(default)s)",
    )
    group.addoption("--seed", type=int, default=None, help="where they start from (random)")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.seed is None:
        config.option.seed = random.randrange(10**6)


def pytest_report_header(config: pytest.Config) -> str:
    return f"fidelity: {config.option.transitions} transitions, --seed {config.option.seed}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what the tests recorded, in whichever process they ran."""
    counts: dict[str, int] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in report.user_properties if report.when == "call" else ():
                counts[name] = counts.get(name, 0) + int(value)
    options = terminalreporter.config.option
    said = ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
    terminalreporter.section("fidelity")
    terminalreporter.write_line(f"transitions: {said}; --seed {options.seed}")

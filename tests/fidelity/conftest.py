"""How many transitions, from which seed; and what came of it, at the end of the run."""

from __future__ import annotations

import random

import pytest

TRANSITIONS = 150
OTHERS = 80
# The same for everybody, so that a change is judged by what it changes and not by its luck.
SEED = 20261125


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fidelity")
    group.addoption(
        "--transitions",
        type=int,
        default=TRANSITIONS,
        help="how many to try (%(default)s)",
    )
    group.addoption(
        "--others",
        type=int,
        default=OTHERS,
        help="how many to try with others acting between them (%(default)s)",
    )
    group.addoption(
        "--seed",
        type=_seed,
        default=SEED,
        help="where they start from: a number, or `random` to look for what none has found yet "
        "(%(default)s)",
    )


def _seed(text: str) -> int:
    return random.randrange(10**6) if text == "random" else int(text)


def pytest_report_header(config: pytest.Config) -> str:
    options = config.option
    return (
        f"fidelity: {options.transitions} transitions, {options.others} with others,"
        f" --seed {options.seed}"
    )


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

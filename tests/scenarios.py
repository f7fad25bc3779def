"""Runs the Molecule scenarios in one lab, and says where the time went: the stage `molecule`.

    .venv/bin/python tests/scenarios.py [--sample] [--swap] [SCENARIO...]

With --sample, those that the last commits touch and a share of the others; it says which and why.
With --swap, each host of the lab has the other release.

`molecule test --all` does the same, but stops at the first scenario that fails. Here each runs, and
a failed one leaves the lab's logs in .cache/test-logs/lab/SCENARIO. One during which a lab host was
lost (it panicked, ended or no longer answers) is run once more, and the table says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from support import choice
from support.commands import run_logged
from support.counts import COLOURS, Counts, Ended, scenarios_total, summary_counts

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = ROOT / "extensions" / "molecule"
CREATE = SCENARIOS / "default" / "create.yml"
DECLARATION = SCENARIOS / "default" / "files" / "lab.yml"
EPHEMERAL = ROOT / ".cache" / "molecule"
INVENTORY = EPHEMERAL / "inventory" / "lab.yml"
LOGS = ROOT / ".cache" / "test-logs" / "lab"
LAB = str(ROOT / "tools" / "lab")

# Read by the scenario `default`, which creates the lab.
OTHER_DECLARATION = "KVM_FLEET_TEST_LAB"
RELEASES = ("bookworm", "trixie")

# For a step that hangs: an idle machine takes a fifth of it or less. The lab's own deadlines come
# first, since they leave a console to read. An image has 1800 s, and a host may be booted twice.
STEP_TIMEOUT_S = 2700
# Those that no sample has take as much as an hour beside other work, and are in no run of CI.
LONG_STEP_TIMEOUT_S = 3 * STEP_TIMEOUT_S
# Of each failed step, at the end.
END_LINES = 60


@dataclass(frozen=True)
class Row:
    """A line of the table. The step's output is in a file named after it."""

    name: str
    seconds: float
    result: str
    counts: Counts

    @property
    def failed(self) -> bool:
        return self.result.startswith("FAILED")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests/scenarios.py", usage=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--swap", action="store_true")
    arguments = parser.parse_args(argv)
    names = sample() if arguments.sample else arguments.names or scenario_names()
    if arguments.swap:
        os.environ[OTHER_DECLARATION] = str(swap_releases())
    return run_steps(names)


def sample() -> Sequence[str]:
    """What `make test` runs; says why, and what it leaves out."""
    names = scenario_names()
    chosen = choice.choose(names, choice.changes_of(ROOT), choice.tree_of(ROOT))
    for name, reason in chosen.items():
        print(f"scenario {name}: {reason}")
    left = [name for name in names if name not in chosen]
    for name in left:
        if name in choice.TOO_LONG:
            print(f"scenario {name}: in no sample, {choice.TOO_LONG[name]}")
    print(f"not in this run: {', '.join(left) or 'none'}; make test-all runs all", flush=True)
    return list(chosen)


def swap_releases() -> Path:
    """The declaration of the same lab with the other release on each host, and on the bare one no
    package ahead."""
    lab = yaml.safe_load(DECLARATION.read_text())
    for host in lab["hosts"]:
        now = host.get("release", RELEASES[0])
        host["release"] = RELEASES[now == RELEASES[0]]
        if host.get("profile") == "bare":
            host.pop("packages", None)
    EPHEMERAL.parent.mkdir(exist_ok=True)
    path = EPHEMERAL.with_name("swapped-lab.yml")
    path.write_text(yaml.safe_dump(lab))
    return path


def run_steps(names: Sequence[str]) -> int:
    shutil.rmtree(LOGS, ignore_errors=True)
    rows = []
    try:
        for row in steps(names):
            rows.append(row)
    finally:
        rows.append(step("destroy", destroy))
        print_ends(rows)
        print_table(rows)
        print(scenarios_total(sum((row.counts for row in rows), Counts())), flush=True)
    return 1 if any(row.failed for row in rows) else 0


def steps(names: Sequence[str]) -> Iterator[Row]:
    alone = [name for name in names if own_lab(name).exists()]
    shared = [name for name in names if name not in alone]
    if shared:
        yield from steps_in_lab(declaration(), shared)
    for name in alone:
        os.environ[OTHER_DECLARATION] = str(own_lab(name))
        yield from steps_in_lab(declaration(), [name], f" of {name}")


def own_lab(name: str) -> Path:
    """The declaration of the lab of a scenario that needs other hosts than the rest, if it does."""
    return SCENARIOS / name / "files" / "lab.yml"


def steps_in_lab(lab: str, names: Sequence[str], whose: str = "") -> Iterator[Row]:
    # What an interrupted run left would be taken for this run's lab.
    destroy()
    images, create = f"images{whose}", f"create{whose}"
    for name, command in (
        (images, lambda: run(images, LAB, "images", lab)),
        (create, lambda: molecule(create, "create", "-s", "default")),
    ):
        row = step(name, command)
        yield row
        if row.failed:
            return
    state = EPHEMERAL / "state.yml"
    fresh = state.read_text()
    for name in names:
        # Molecule notes here that hosts are prepared: for all scenarios, but each prepares its own.
        state.write_text(fresh)
        yield scenario(name)


def scenario_names() -> Sequence[str]:
    """All but the owner of the lab; first the one that tests the lab itself."""
    found = {path.parent.name for path in SCENARIOS.glob("*/molecule.yml")} - {"default"}
    return sorted(found, key=lambda name: (name != "lab", name))


def scenario(name: str) -> Row:
    row = step(name, lambda: test(name))
    if not row.failed:
        return row
    keep_logs(name)
    restarted = restart_lost_hosts()
    molecule("cleanup", "cleanup", "-s", name)
    if not restarted:
        return row
    again = step(name, lambda: test(name))
    result = f"{again.result} when run again, {restarted}"
    return replace(again, seconds=row.seconds + again.seconds, result=result)


def test(name: str) -> Ended:
    return molecule(name, "test", "-s", name, "--destroy", "never")


def destroy() -> Ended:
    return molecule("destroy", "destroy", "-s", "default")


def keep_logs(name: str) -> None:
    run("logs", LAB, "logs", "--name", lab_name(), str(LOGS / name))


def restart_lost_hosts() -> str:
    """Which hosts were lost and had to be started once more, in words; empty when none was."""
    timeout_s = str(boot_timeout_s())
    ready = run("ready", LAB, "ready", "--name", lab_name(), "--boot-timeout", timeout_s)
    # A host that was started once more has another port.
    run("inventory", LAB, "inventory", "--name", lab_name(), str(INVENTORY))
    found = [line for line in ready.output.splitlines() if line.startswith("restarted ")]
    return found[0] if found else ""


def declaration() -> str:
    return os.environ.get(OTHER_DECLARATION) or str(DECLARATION)


def lab_name() -> str:
    inventory = yaml.safe_load(INVENTORY.read_text())
    return str(inventory["all"]["vars"]["lab_name"])


def boot_timeout_s() -> int:
    """What the hosts were given when the lab was created."""
    return int(yaml.safe_load(CREATE.read_text())[0]["vars"]["lab_boot_timeout"])


def molecule(name: str, *arguments: str) -> Ended:
    # With borders, Molecule wraps the lines of Ansible and pytest.
    return run(name, "molecule", *arguments, "--no-command-borders")


def run(name: str, *command: str) -> Ended:
    limit = LONG_STEP_TIMEOUT_S if name in choice.TOO_LONG else STEP_TIMEOUT_S
    return run_logged(command, limit, output_of(name))


def output_of(name: str) -> Path:
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{name}.log"


def step(name: str, command: Callable[[], Ended]) -> Row:
    print(f"\n--- {name}", flush=True)
    started = time.monotonic()
    ended = command()
    code = ended.returncode
    result = f"FAILED with exit code {code}" if code else "passed"
    return Row(name, time.monotonic() - started, result, step_counts(ended))


def step_counts(ended: Ended) -> Counts:
    """The tests of a step, and one failure more where it failed before or after them."""
    counts = summary_counts(ended.output)
    return counts + Counts(failed=1) if ended.returncode and not counts.failed else counts


def print_ends(rows: Sequence[Row]) -> None:
    """Of each failed step, the end of its output, and what the lab's hosts had to say."""
    for row in rows:
        if row.failed:
            for path in (output_of(row.name), *(LOGS / row.name).glob("*/ends.log")):
                print_end(path)


def print_end(path: Path) -> None:
    print(f"\n--- the end of {path.relative_to(ROOT)}")
    lines = COLOURS.sub("", path.read_text()).splitlines()
    print("\n".join(lines[-END_LINES:]))


def print_table(rows: Sequence[Row]) -> None:
    width = max(len(row.name) for row in rows)
    print(f"\n{'step':<{width}} {'seconds':>8}  result")
    for row in rows:
        print(f"{row.name:<{width}} {row.seconds:>8.1f}  {row.result}")
    print(f"{'in all':<{width}} {sum(row.seconds for row in rows):>8.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

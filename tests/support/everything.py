"""What `make test-all` runs beside the stages of `make test`, and what has passed of it so far."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from support.commands import ROOT
from support.counts import Counts, molecule_counts, one_test
from support.side_by_side import Row, Stage

SCENARIOS = ROOT / "extensions" / "molecule"
# The others run on hosts of both releases at once.
ON_ONE_HOST = ("lab", "kvm_host")
# The oldest that the README promises, and the newest that this Python has.
CORES = {"lowest": "ansible-core~=2.17.0", "newest": "ansible-core"}
# Of what runs with them: all that is pure, and plays that call modules.
WITH_CORES = ("tests/unit", "tests/integration/test_ansible_runs.py",
              "tests/integration/test_example_fleet.py")  # fmt: skip
FIDELITY_PARTS = 10
TRANSITIONS = 300
STABILITY_RUNS = 10


def scenario_stages() -> list[Stage]:
    """Each scenario in a lab of its own, on every release; the one of the lab itself first."""
    names = {path.parent.name for path in SCENARIOS.glob("*/molecule.yml")} - {"default"}
    in_order = sorted(names, key=lambda name: (name != "lab", name))
    return [
        *(_scenario_stage(f"scenario-{name}", name) for name in in_order),
        *(_scenario_stage(f"scenario-{name}-swapped", "--swap", name) for name in ON_ONE_HOST),
    ]


def _scenario_stage(stage: str, *arguments: str) -> Stage:
    argv = ["python", "tests/scenarios.py", *arguments]
    return Stage(stage, argv, molecule_counts, uses="lab", end_lines=150)


def version_stages(pytest_stage: Callable[..., Stage]) -> list[Stage]:
    """The units and some modules, with other versions of ansible-core."""
    return [
        pytest_stage(f"core-{name}", tests=WITH_CORES, by=("tools/with-core", requirement))
        for name, requirement in CORES.items()
    ]


def fidelity_stages(pytest_stage: Callable[..., Stage]) -> list[Stage]:
    return [
        pytest_stage(
            f"fidelity-{part}",
            f"--transitions={TRANSITIONS}",
            f"--others={TRANSITIONS}",
            f"--seed={part}",
            tests=["tests/fidelity"],
        )
        for part in range(1, FIDELITY_PARTS + 1)
    ]


def property_stages(pytest_stage: Callable[..., Stage]) -> list[Stage]:
    """The properties of what is pure, with many examples that are others each time."""
    many = "--hypothesis-profile=many"
    return [pytest_stage("properties", many, tests=["tests/unit/properties"])]


def long_stages() -> list[Stage]:
    stability = ["tests/stability/run", "--runs", str(STABILITY_RUNS)]
    return [
        Stage("stability", stability, one_test, uses="lab"),
        Stage("bench", ["tests/benchmarks/run"], one_test, alone=True),
        Stage("bench-inventory", ["tests/benchmarks/run", "inventory"], one_test, alone=True),
    ]


class Passed:
    """The stages that passed on the files as they are now, in a file for each state of them."""

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self._file = folder / f"{digest_of_files(root)}.json"

    def read(self) -> dict[str, Row]:
        """Rows by name."""
        if not self._file.exists():
            return {}
        rows = json.loads(self._file.read_text())
        return {
            row["stage"]: Row(row["stage"], row["seconds"], Counts(**row["counts"]), "before")
            for row in rows
        }

    def write(self, rows: dict[str, Row]) -> None:
        """Keep those of them that passed."""
        good = [asdict(row) for row in rows.values() if row.counts.passed and not row.counts.failed]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(good, indent=1) + "\n")


def digest_of_files(root: Path) -> str:
    """Of every file that git knows or would take, as it is in the working tree."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    digest = hashlib.sha256()
    for name in sorted(listed.stdout.split("\0")):
        path = root / name
        if name and path.is_file():
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]

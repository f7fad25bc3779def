"""Chooses scenarios and long tests for `make test`: what the last commits touch, and a share of
the others."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

# How many commits are the last ones. Of what they leave out, a run takes one of so many shares.
COMMITS = 3
SHARES = 4
# Scenarios that take ten minutes or more: no share has two of them, nor one beside another
# that is touched.
LONGEST = ("fibre_channel", "kvm_host", "storage_pool", "vswitch")

# What a file says of a scenario: the first pattern that fits its path.
TOUCHES = (
    # Documentation.
    (r"plugins/modules/\w+\.yml$", ""),
    (r"extensions/molecule/(default|resources)/|extensions/molecule/[^/]+$", "lab"),
    (r"extensions/molecule/([^/]+)/", r"\1"),
    (r"extensions/testinfra/|playbooks/lab_|roles/(lab|tiny_guest)/", "lab"),
    (r"roles/kvm_host/(files/hook|tasks/(hook|reservations|admission))", "reservations"),
    (
        r"roles/kvm_host/(tasks/migration|vars/migration|files/(authority|certificate|peer))",
        "migration",
    ),
    (r"tests/support/(contention|kept|pressure)\.py$", "reservations"),
    (r"roles/kvm_host/|plugins/.*/(host_probe|acceleration|libvirt_conf)\.py$", "kvm_host"),
    (r"plugins/.*\bstorage_pool\b", "storage_pool"),
    (r"plugins/.*(\bstorage_volume\b|/storage_facts|/images?\b)", "storage_volume"),
    (r"plugins/.*(/vswitch|/interfaces)", "vswitch"),
    (r"plugins/.*(promise|enforc|admission|reservation|resource_pool|/slices)", "reservations"),
    (r"plugins/module_utils/host/(capacity|cgroups|hook|noted)", "reservations"),
    (r"plugins/.*(/moving/|migration|evacuat|baselin|moves?\.py|sides\.py)", "migration"),
    (r"plugins/.*(/vm\b|/vm_|/backing_up|/restoring)", "vm"),
    # The engine: the scenario that goes through all kinds.
    (r"plugins/", "host_config"),
)

# What no sample has, and why: `make test-all` runs it.
TOO_LONG = {
    "guest": "it boots a Debian in emulated hosts three times: half an hour",
    "uplinks": "it starts nine guests behind bonds of two hosts, and these anew: more than an hour",
    "migration": "it moves guests between emulated hosts: as much as a third of an hour",
    "zfs": "its hosts build the module of ZFS from source: a quarter of an hour",
    "reservations": "it starts seven guests, keeps them busy, and restarts the hosts: half an hour",
}


def choose(names: Sequence[str], changes: Mapping[str, Iterable[str]], tree: str) -> dict[str, str]:
    """The scenarios to run, in their order, each with the reason.

    `changes` are paths by what changed them, `tree` the hash of all files: the same files get the
    same share, however much of the history is there.
    """
    names = [name for name in names if name not in TOO_LONG]
    touched = touched_by(changes)
    left_out = {*touched, *(LONGEST if touched.keys() & {*LONGEST} else ())}
    others = sorted(set(names) - left_out, key=lambda name: (name not in LONGEST, name))
    reasons = {**touched, **drawn(others, tree)}
    return {name: reasons[name] for name in names if name in reasons}


def choose_tests(
    long: Mapping[str, str], changes: Mapping[str, Iterable[str]], tree: str
) -> dict[str, str]:
    """The long tests to run, each with the reason; `long` has the pattern of what touches each."""
    paths = [(path, change) for change, changed in changes.items() for path in changed]
    touched = {
        name: f"{change} touches {path}"
        for name, pattern in long.items()
        for path, change in reversed(paths)
        if re.match(pattern, path)
    }
    return {**touched, **drawn(sorted(long.keys() - touched.keys()), tree)}


def drawn(names: Sequence[str], tree: str) -> dict[str, str]:
    """The share of a run, with what it is as the reason.

    They are dealt out forth and back, so that those that come first are not with each other.
    """
    share = int(tree or "0", 16) % SHARES
    forth, back = share, 2 * SHARES - 1 - share
    reason = f"share {share + 1} of {SHARES}"
    return {name: reason for at, name in enumerate(names) if at % (2 * SHARES) in (forth, back)}


def touched_by(changes: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Each scenario that one of the changes touches, and the first of these changes."""
    touched: dict[str, str] = {}
    for change, paths in changes.items():
        for path in paths:
            if name := scenario_of(path):
                touched.setdefault(name, f"{change} touches {path}")
    return touched


def scenario_of(path: str) -> str:
    """The scenario that tests what is in a file; empty for what none tests."""
    for pattern, name in TOUCHES:
        if match := re.match(pattern, path):
            return match.expand(name)
    return ""


# ---- what git says


def changes_of(root: Path) -> dict[str, list[str]]:
    """The paths that the last commits changed, and those that are not committed yet.

    A commit whose parent is not there, in a shallow clone or as the first of all, would have
    changed every file: it says nothing.
    """
    changes = {"the working tree": _lines(root, "diff", "--name-only", "HEAD")}
    log = ["log", f"-{COMMITS}", "-m", "--first-parent", "--name-only", "--format=%x00%h %P"]
    for entry in "\n".join(_lines(root, *log)).split("\0")[1:]:
        head, *paths = entry.splitlines()
        commit, *parents = head.split()
        if parents:
            changes[commit] = [path for path in paths if path]
    return changes


def tree_of(root: Path) -> str:
    """The hash of all committed files; empty where there is no repository."""
    return "".join(_lines(root, "rev-parse", "HEAD^{tree}"))


def _lines(root: Path, *arguments: str) -> list[str]:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []

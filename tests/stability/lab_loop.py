"""Creates a lab, boots three guests on each host, destroys it; again and again, and prints a table.

    tests/stability/run [--runs N] [--no-snapshots]

Nothing may hang: each step has a deadline. A host that was lost and retried is shown, not hidden.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from support.lab_tool import ROOT, lab, lab_name

NAME = lab_name("stability")
HOSTS = {"kvm1": "bookworm", "kvm2": "trixie"}
GUESTS = ("one", "two", "three")
CREATE_TIMEOUT_S = 1500
# Shorter than for the whole step, so that the error can say which guest it was.
GUESTS_UP_TIMEOUT_S = 480
GUESTS_TIMEOUT_S = 600
SHORT_TIMEOUT_S = 300

DECLARATION = {
    "name": NAME,
    "hosts": [{"name": host, "release": release} for host, release in HOSTS.items()],
}

# Runs on the lab host: starts the guests, then waits until each has said that it is up.
BOOT_GUESTS = """
set -e
for guest in {guests}; do
    virsh -q create /dev/stdin <<X
<domain type='kvm'><name>$guest</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>/srv/guest/vmlinuz</kernel>
<initrd>/srv/guest/initramfs.img</initrd><cmdline>console=ttyS0 quiet</cmdline></os>
<features><acpi/></features>
<devices><serial type='file'><source path='/var/log/$guest.console'/></serial></devices></domain>
X
done
deadline=$(($(date +%s) + {timeout_s}))
for guest in {guests}; do
    until grep -qs GUEST-READY /var/log/$guest.console; do
        if [ $(date +%s) -ge $deadline ]; then
            echo "guest $guest is not up after {timeout_s} s; its console ends with:" >&2
            tail -n 20 /var/log/$guest.console >&2
            exit 1
        fi
        sleep 1
    done
done
dmesg --level emerg,alert,crit,err | grep -E 'BUG|stall|lockup|Oops' || true
"""


@dataclass
class Run:
    number: int
    create_s: float = 0
    guests_s: float = 0
    destroy_s: float = 0
    started: str = ""
    retries: int = 0
    result: str = "ok"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--no-snapshots", action="store_true", help="boot every host every time")
    args = parser.parse_args()
    print(
        f"{'run':>4} {'create':>8} {'guests':>8} {'destroy':>8}  {'hosts were':17} retries  result"
    )
    runs = []
    for number in range(1, args.runs + 1):
        runs.append(one_run(number, args.no_snapshots))
        show(runs[-1])
    good = [run for run in runs if run.result == "ok"]
    retries = sum(run.retries for run in runs)
    print(f"{len(good)} of {len(runs)} runs without a failure, {retries} hosts started twice")
    return 0 if len(good) == len(runs) else 1


def one_run(number: int, no_snapshots: bool) -> Run:
    run = Run(number)
    try:
        run.create_s = timed(create, no_snapshots)
        run.started, run.retries = how_hosts_started()
        run.guests_s = timed(boot_guests)
    except AssertionError as error:
        run.result = f"{error}; {keep_logs(number)}"
    try:
        run.destroy_s = timed(destroy)
    except AssertionError as error:
        run.result += f"; {error}"
    return run


def keep_logs(number: int) -> str:
    logs = f".cache/test-logs/stability-{number}"
    try:
        lab("logs", "--name", NAME, str(ROOT / logs), timeout_s=SHORT_TIMEOUT_S)
    except AssertionError as error:
        return str(error)
    return f"logs are in {logs}"


def timed(step: Callable[..., None], *arguments: object) -> float:
    started = time.monotonic()
    step(*arguments)
    return time.monotonic() - started


def create(no_snapshots: bool) -> None:
    options = ["--no-snapshots"] if no_snapshots else []
    lab("create", *options, "-", stdin=json.dumps(DECLARATION), timeout_s=CREATE_TIMEOUT_S)


def how_hosts_started() -> tuple[str, int]:
    state = json.loads((lab_directory() / "lab.json").read_text())
    return "/".join(state["started"].values()), sum(map(len, state["failures"].values()))


def boot_guests() -> None:
    script = BOOT_GUESTS.format(guests=" ".join(GUESTS), timeout_s=GUESTS_UP_TIMEOUT_S)
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        said = list(pool.map(lambda host: on_host(host, script), HOSTS))
    assert not "".join(said).strip(), f"kernel complaints: {said}"


def on_host(host: str, script: str) -> str:
    try:
        return lab("shell", "--name", NAME, host, script, timeout_s=GUESTS_TIMEOUT_S).stdout
    except AssertionError as error:
        raise AssertionError(f"{host}: {error}") from None


def destroy() -> None:
    directory = lab_directory()
    lab("destroy", "--name", NAME, timeout_s=SHORT_TIMEOUT_S)
    assert not directory.exists(), f"{directory} is still there"


def lab_directory() -> Path:
    home = os.environ.get("KVM_FLEET_LAB_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home or f"{cache}/kvm-fleet-lab").expanduser() / "labs" / NAME


def show(run: Run) -> None:
    times = f"{run.create_s:7.1f}s {run.guests_s:7.1f}s {run.destroy_s:7.1f}s"
    print(f"{run.number:>4} {times}  {run.started:17} {run.retries:7}  {run.result}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

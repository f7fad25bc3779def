# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the lab: python3 -m fleetlab COMMAND. Used by the role, and by tools/lab."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import yaml

from . import declaration, image, labs, logs
from .errors import LabError, describe
from .home import Home, default_home, locked

LOCK_TIMEOUT_S = 1800
DEFAULT_LAB = Path(__file__).resolve().with_name("default.yml")
STDIN = Path("-")


def main() -> int:
    args = _parser().parse_args()
    home = Home(args.home) if args.home else default_home()
    try:
        return int(args.function(home, args) or 0)
    except (LabError, OSError, subprocess.TimeoutExpired) as error:
        print(f"lab: {describe(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("lab: interrupted; `destroy` removes what was made so far", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="KVM hosts for tests.")
    parser.add_argument("--home", type=_path, help="default: $KVM_FLEET_LAB_HOME, or in the cache")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_declaring(commands)
    for name, function, help_text, arguments in (
        ("start", start, "start the hosts without waiting for them", ()),
        ("ready", make_ready, "wait until all hosts are usable", ()),
        ("inventory", write_inventory, "write the Ansible inventory to a file", ()),
        ("destroy", destroy, "remove a lab and everything that belongs to it", ()),
        ("shell", shell, "log in to a host, or run a command there", ("host", "command")),
        ("link", set_link, "connect or cut a NIC", ("host", "nic", "to")),
        ("logs", collect_logs, "collect consoles, libvirt's logs and journals", ("path",)),
    ):
        command = commands.add_parser(name, help=help_text)
        command.set_defaults(function=function)
        command.add_argument("--name", default="default", help="the lab (default: %(default)s)")
        for argument in arguments:
            command.add_argument(argument, **_ARGUMENTS.get(argument, {}))
        if function is write_inventory:
            command.add_argument("path", type=_path, nargs="?", help=_INVENTORY_HELP)
        if function is destroy:
            command.add_argument(
                "--inventory", type=_path, help="also the lab whose inventory was written there"
            )
        if function in (start, make_ready):
            _add_options(command)
    for name, function, help_text in (
        ("list", list_labs, "show all labs and how their hosts are"),
        ("clean", clean, "remove the images and snapshots that no lab uses"),
    ):
        commands.add_parser(name, help=help_text).set_defaults(function=function)
    return parser


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


_INVENTORY_HELP = "default: in the lab's directory"
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": _path},
    "command": {"nargs": argparse.REMAINDER},
    "to": {"choices": ("up", "down")},
}


def _add_declaring(commands: Any) -> None:
    for name, function, help_text in (
        ("create", create, "prepare, start and wait, all hosts at once; write the inventory"),
        ("prepare", prepare, "check the declaration, build its images and remember it"),
        ("images", build_images, "build the images of a declaration, and nothing else"),
    ):
        command = commands.add_parser(name, help=help_text)
        command.set_defaults(function=function)
        command.add_argument(
            "file",
            type=Path,
            nargs="?",
            default=DEFAULT_LAB,
            help="the declaration as YAML, - for stdin; default: two hosts, see %(default)s",
        )
        command.add_argument("--default-name", default="default")
        command.add_argument("--inventory", type=_path, help=_INVENTORY_HELP)
        _add_options(command)


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--no-snapshots", dest="snapshots", action="store_false")
    command.add_argument("--boot-timeout", type=float, default=labs.BOOT_TIMEOUT_S, metavar="S")


def _report() -> Callable[[str], None]:
    started = time.monotonic()

    def report(line: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {line}", file=sys.stderr, flush=True)

    return report


def _lock(home: Home, name: str) -> contextlib.AbstractContextManager[None]:
    """One command at a time for each lab; a create that still runs is waited for."""
    report = _report()
    lock = home.lock(f"lab-{declaration.check_name(name)}")
    return locked(lock, LOCK_TIMEOUT_S, lambda: report(f"lab {name}: waits for another command"))


def _declared(args: argparse.Namespace) -> Any:
    try:
        text = sys.stdin.read() if args.file == STDIN else args.file.read_text()
        return yaml.safe_load(text)
    except OSError as error:
        raise LabError(f"{args.file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise LabError(f"{args.file} is no YAML: {error}") from error


def _options(args: argparse.Namespace) -> labs.Options:
    return labs.Options(args.snapshots, args.boot_timeout)


def prepare(home: Home, args: argparse.Namespace) -> None:
    raw = _declared(args)
    name = declaration.parse(raw, args.default_name).name
    with _lock(home, name):
        run = labs.prepare(home, raw, args.default_name, _report())
    print(json.dumps({"name": name, "hosts": [host.name for host in run.lab.hosts]}))


def build_images(home: Home, args: argparse.Namespace) -> None:
    lab = declaration.parse(_declared(args), args.default_name)
    image.ensure_all(home, [host.image for host in lab.hosts], _report())


def start(home: Home, args: argparse.Namespace) -> None:
    with _lock(home, args.name):
        started = labs.load(home, args.name, _report()).start(_options(args))
    print("started" if started else "running")


def make_ready(home: Home, args: argparse.Namespace) -> None:
    with _lock(home, args.name):
        again = labs.make_all_ready(labs.load(home, args.name, _report()), _options(args))
    print(f"restarted {' '.join(again)}" if again else "ready")


def create(home: Home, args: argparse.Namespace) -> None:
    raw = _declared(args)
    name = declaration.parse(raw, args.default_name).name
    with _lock(home, name):
        run = labs.prepare(home, raw, args.default_name, _report())
        run.start(_options(args))
        labs.make_all_ready(run, _options(args))
        labs.write_inventory(run, args.inventory)


def write_inventory(home: Home, args: argparse.Namespace) -> None:
    with _lock(home, args.name):
        labs.write_inventory(labs.load(home, args.name, _report()), args.path)


def destroy(home: Home, args: argparse.Namespace) -> None:
    report = _report()
    wanted = [args.name, *(labs.with_inventory(home, args.inventory) if args.inventory else ())]
    found = []
    for name in dict.fromkeys(wanted):
        with _lock(home, name):
            found.append(labs.destroy(home, name, report))
    if not any(found):
        left = ", ".join(labs.names(home)) or "none"
        report(f"there is no lab {args.name}; labs: {left}")
    print("destroyed" if any(found) else "absent")


def shell(home: Home, args: argparse.Namespace) -> None:
    run = labs.load(home, args.name, _report())
    host = run.lab.host(args.host)
    if not run.alive(host):
        raise LabError(f"{host.name} does not run; its console is {run.console(host)}")
    # Batch mode is for programs; a person may be asked.
    options = ["-F", str(run.config), "-o", "BatchMode=no"]
    os.execvp("ssh", ["ssh", *options, host.name, *args.command])


def set_link(home: Home, args: argparse.Namespace) -> None:
    run = labs.load(home, args.name, _report())
    run.set_link(run.lab.host(args.host), args.nic, args.to == "up")


def collect_logs(home: Home, args: argparse.Namespace) -> None:
    if args.name not in labs.names(home):
        print("absent")
        return
    print(logs.collect(labs.load(home, args.name, _report()), args.path), end="")


def list_labs(home: Home, args: argparse.Namespace) -> None:
    for name in labs.names(home):
        run = labs.load(home, name, _report())
        for host in run.lab.hosts:
            failures = len(run.state.failures.get(host.name, []))
            started = run.state.started.get(host.name, "not started")
            again = f", {failures} failures" if failures else ""
            port = run.state.ports.get(host.name, "-")
            print(f"{name:24} {host.name:12} {run.condition(host)}, {started}{again}, port {port}")


def clean(home: Home, args: argparse.Namespace) -> None:
    labs.clean(home, _report())


if __name__ == "__main__":
    sys.exit(main())

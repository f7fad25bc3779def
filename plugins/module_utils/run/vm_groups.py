# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of VMs of a kind: what is declared becomes VMs with numbers in their names.

Nothing else knows of groups but what notes, tells and shows who is a member. A VM that a group
declares is planned like one that stands in `vms`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..engine.errors import FleetError, Mistakes
from ..engine.keys import ABSENT
from ..engine.mark import SCOPE
from ..engine.placeholders import Place, filled
from ..engine.plan import Member, Wanted
from ..kinds.vm.rules import check_name
from .group_spec import OPTION
from .secrecy import CMDLINE_OPTIONS, XML_OPTIONS

MOST = 1000  # VMs of one group
HIGHEST = 99_999  # index

# What only a group or a VM by itself can say, and why.
NEVER = {
    "name": "follows from the group; write name_format to have others",
    "group": "is the group's name; leave it out",
    "remove_storage": "is said of those that leave, beside vm",
}
_NUMBER = re.compile(r"%\{\s*index\s*(?::(?P<form>0[1-9]\d?))?\s*\}")

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """One group as a user declares it."""

    name: str
    indices: range
    before: str  # the name of each member: this, its number, and that
    form: str
    after: str
    vm: Options = field(default_factory=dict)
    adopt: bool = False
    remove_storage: bool = False
    drain: bool = False

    def name_of(self, index: int) -> str:
        """How the member of a number is called."""
        return f"{self.before}{format(index, self.form)}{self.after}"

    def index_of(self, name: str) -> int | None:
        """The number of the member that is called so; None where none would be."""
        number = name[len(self.before) : len(name) - len(self.after)]
        is_number = number.isascii() and number.isdecimal()
        return int(number) if is_number and self.name_of(int(number)) == name else None

    @property
    def names(self) -> list[str]:
        """How all are called that are to be there."""
        return [self.name_of(index) for index in self.indices]

    def at(self, name: str) -> str:
        """An option of it as errors name it."""
        return f"{OPTION}.{self.name}.{name}"


# ---- what is declared


def groups_of(given: Sequence[Options] | None, mistakes: Mistakes) -> list[Group]:
    """The groups that a user wrote. What is wrong with them is collected."""
    groups: dict[str, Group] = {}
    for options in given or ():
        group = _group(options, mistakes)
        if group is None:
            continue
        if group.name in groups:
            mistakes.add("is declared twice; keep one of them", f"{OPTION}.{group.name}")
        groups[group.name] = group
    return list(groups.values())


def _group(options: Options, mistakes: Mistakes) -> Group | None:
    name = str(options["name"])
    own = Mistakes()
    try:
        SCOPE.parse(name or "/")
    except ValueError as error:
        own.add(str(error), f"{OPTION}.name")
    indices = _indices(options, own, f"{OPTION}.{name}")
    found = _format_of(options, name, own)
    vm = {option: value for option, value in options["vm"].items() if value is not None}
    for option, why in NEVER.items():
        if option in vm:
            own.add(why, f"{OPTION}.{name}.vm.{option}")
    if vm.get("state") == ABSENT:
        own.add("would remove all of them; write count: 0", f"{OPTION}.{name}.vm.state")
    if found is not None:
        _check_names(Group(name, indices, *found), own)
    mistakes.extend(own.errors)
    if own.errors or found is None:
        return None
    return Group(
        name,
        indices,
        *found,
        vm=vm,
        adopt=options["adopt"],
        remove_storage=options["remove_storage"],
        drain=options["drain"] == "required",
    )


def _indices(options: Options, mistakes: Mistakes, at: str) -> range:
    count, start = options["count"], options["start"]
    if not 0 <= count <= MOST:
        mistakes.add(f"{count} is no number from 0 to {MOST}", f"{at}.count")
        count = 0
    if not 0 <= start <= HIGHEST - MOST:
        mistakes.add(f"{start} is no number from 0 to {HIGHEST - MOST}", f"{at}.start")
    return range(start, start + count)


def _format_of(options: Options, name: str, mistakes: Mistakes) -> tuple[str, str, str] | None:
    """What names have before their number, how it is written, and what they have after it."""
    given = options["name_format"]
    if given is None:
        return f"{name}-", "", ""
    found = _NUMBER.search(given)
    rest = given if found is None else given[: found.start()] + given[found.end() :]
    if found is None or "%{" in rest or "{{" in rest:
        mistakes.add(
            f"{given!r} does not have the number once, as %{{index}} or, with zeros in front, "
            "%{index:02}",
            f"{OPTION}.{name}.name_format",
        )
        return None
    return given[: found.start()], found["form"] or "", given[found.end() :]


def _check_names(group: Group, mistakes: Mistakes) -> None:
    """The last name is the longest; in all else they are one like the other."""
    found = Mistakes()
    check_name(group.name_of(group.indices.stop), found)
    for error in found.errors:
        mistakes.add(error.message, group.at("name_format"))


# ---- what it becomes


def members_of(group: Group, spec: Options) -> Iterator[tuple[Member, dict[str, Any], Mistakes]]:
    """Each VM as one would declare it by itself, and what of its placeholders is wrong.

    A group of none has one that is to be looked at only.
    """
    for number in group.indices or (group.indices.start,):
        options, mistakes = options_of(group, number, spec)
        yield Member(group.name, number), options, mistakes


def options_of(group: Group, number: int, spec: Options) -> tuple[dict[str, Any], Mistakes]:
    """One member as one would declare it by itself, and what of its placeholders is wrong."""
    name = group.name_of(number)
    mistakes = Mistakes(f"vm/{name}")
    options = _Filler(Place(number, name), mistakes).options(group.vm, spec, "")
    return {**options, "name": name, "group": group.name}, mistakes


def of_member(declared: Wanted, member: Member) -> Wanted:
    """What a member declares; the volumes that it brings are nobody's members."""
    return replace(declared, member=member) if declared.kind == "vm" else declared


@dataclass(frozen=True)
class _Filler:
    """Fills the placeholders of one VM. What is wrong with them is collected."""

    place: Place
    mistakes: Mistakes

    def options(self, given: Options, spec: Options, at: str) -> dict[str, Any]:
        result = {}
        for name, value in given.items():
            self._refuse_in_name(name, at)
            option = spec.get(name) or {}
            hidden = bool(option.get("no_log")) or name in (*XML_OPTIONS, *CMDLINE_OPTIONS)
            result[name] = self._value(value, option, f"{at}{name}", hidden)
        return result

    def _value(self, value: Any, option: Options, at: str, hidden: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, at, hidden)
        if isinstance(value, Mapping):
            if option.get("options"):
                return self.options(value, option["options"], f"{at}.")
            for name in value:
                self._refuse_in_name(
                    "something" if hidden and "%{" in str(name) else name, f"{at}."
                )
            return {k: self._value(v, option, f"{at}.{k}", hidden) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [
                self._value(one, option, f"{at}.{_called(one, number)}", hidden)
                for number, one in enumerate(value)
            ]
        return value

    def _text(self, text: str, at: str, hidden: bool) -> str:
        try:
            return filled(text, self.place, hidden)
        except ValueError as error:
            self.mistakes.add(str(error), at)
            return text

    def _refuse_in_name(self, name: Any, at: str, hidden: bool = False) -> None:
        if isinstance(name, str) and "%{" in name:
            which = "(hidden)" if hidden else name
            self.mistakes.add("what a value is called takes no placeholder", f"{at}{which}")


def _called(thing: Any, number: int) -> str:
    """How errors call a thing in a list: by its name, if it has one."""
    name = thing.get("name") if isinstance(thing, Mapping) else None
    return str(name or number)


# ---- what is said of all


def clashes(groups: Sequence[Group], vms: Sequence[Options]) -> Iterator[FleetError]:
    """VMs that are declared by two groups, or by a group and by themselves."""
    by_name: dict[str, Group] = {}
    for group in groups:
        for name in group.names:
            other = by_name.setdefault(name, group)
            if other is not group:
                message = f"is declared by the groups {other.name} and {group.name}"
                yield FleetError(f"{message}; give one of them another name_format", f"vm/{name}")
    groups_by_name = {group.name: group for group in groups}
    for vm in vms:
        name, own = str(vm.get("name")), groups_by_name.get(str(vm.get("group") or ""))
        if name in by_name:
            yield FleetError(
                f"is declared in vms, and is a member of the group {by_name[name].name}; leave it "
                "out of vms, or the group without its number (start, count)",
                f"vm/{name}",
            )
        elif own is not None and vm.get("state") != ABSENT:
            yield FleetError(
                f"is declared in vms, and the group {own.name}, which is declared too, does not "
                "have it; leave it out of vms, raise the group's count, or write group: '' to keep "
                "it beside the group",
                f"vm/{name}",
                "group",
            )


def told_once(group: Group, found: Sequence[Sequence[FleetError]]) -> list[FleetError]:
    """The mistakes of all members: what all have is one of the group."""
    errors = [error for of_one in found for error in of_one]
    shared = set.intersection(*({(e.field, e.message) for e in of_one} for of_one in found))
    told = {
        (e.field, e.message): _of_group(group, e) for e in errors if (e.field, e.message) in shared
    }
    return [*told.values(), *(e for e in errors if (e.field, e.message) not in shared)]


def _of_group(group: Group, error: FleetError) -> FleetError:
    if error.field.startswith(("vm_defaults", OPTION)):
        return error
    return FleetError(error.message, "", group.at(f"vm.{error.field}" if error.field else "vm"))

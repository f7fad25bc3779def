"""Definitions as libvirt stores them, and all declarations that are about one option of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from support.commands import ROOT
from support.corpus import options_of
from support.neighbours import BY_NAME

Params = dict[str, Any]
Spec = Mapping[str, Any]

KINDS = ("vm", "vswitch", "storage_pool")
# What names it, says what is to be done about it, or makes it anew.
LEFT_OUT = {
    *("name", "state", "apply", "purge", "build", "remove_storage", "shutdown", "wait_for"),
    *("wait_timeout_s", "confirm_timeout_s", "from_template", "clone", "sysprep", "cloud_init"),
    *("profile", "uplinks", "overlay", "backend", "host_ports"),
}


@dataclass(frozen=True)
class Defined:
    """A resource as the plans of the golden cases find it, that does not run."""

    kind: str
    case: str
    text: str

    @cached_property
    def have(self) -> Have:
        tree = xmltree.parse(self.text)
        state = "stopped" if self.kind == "vm" else "inactive"
        facts = {"state": state, "autostart": False, "persistent": True}
        return Have(self.kind, xmltree.get(tree, "name") or "", tree, None, facts)

    @cached_property
    def told(self) -> Params:
        """Its options, as they are told."""
        return options_of(BY_NAME[self.kind].result(self.have), BY_NAME[self.kind].spec())


def defined() -> list[Defined]:
    """All that golden cases begin with, in a lasting order."""
    files = [(kind, file) for kind in KINDS for file in (ROOT / "tests/golden" / kind).iterdir()]
    found = [
        Defined(kind, folder.name, (folder / "before.xml").read_text(encoding="utf-8"))
        for kind, folder in sorted(files)
        if (folder / "before.xml").exists()
    ]
    return [one for one in found if xmltree.get(one.have.definition, "name")]


class Observed:
    """Which values options have somewhere."""

    def __init__(self, of: list[Defined]) -> None:
        self.values: dict[tuple[str, ...], list[Any]] = {}
        for one in of:
            self._learn(BY_NAME[one.kind].spec(), one.told, (one.kind,))

    def _learn(self, spec: Spec, told: Params, at: tuple[str, ...]) -> None:
        for name, value in told.items():
            if name not in spec:
                continue
            path, below = (*at, name), spec[name].get("options")
            for part in value if isinstance(value, list) and below else (value,):
                if below and isinstance(part, dict):
                    self._learn(below, part, path)
                elif part not in self.values.setdefault(path, []):
                    self.values[path].append(part)

    def declarations(self, one: Defined) -> Iterator[Params]:
        """Declarations that differ from what is there in one option."""
        base = {"name": one.have.name, "state": "present"}
        for params in self._of(BY_NAME[one.kind].spec(), one.told, (one.kind,), lambda said: said):
            yield {**base, **params}

    def _of(
        self, spec: Spec, told: Params, at: tuple[str, ...], whole: Callable[[Params], Params]
    ) -> Iterator[Params]:
        for name, option in spec.items():
            if name in LEFT_OUT:
                continue
            below, now, path = option.get("options"), told.get(name), (*at, name)

            def within(said: Params, name: str = name) -> Params:
                return whole({name: said})

            if below and option["type"] == "dict":
                yield from self._of(below, now or {}, path, within)
            elif below:
                yield from self._of_things(below, now or [], path, name, whole)
            else:
                yield from (whole({name: value}) for value in self._values(option, path, now))

    def _of_things(
        self,
        spec: Spec,
        things: list[Params],
        at: tuple[str, ...],
        name: str,
        whole: Callable[[Params], Params],
    ) -> Iterator[Params]:
        known_by = next((one for one in ("name", *spec) if spec.get(one, {}).get("required")), "")
        for thing in (one for one in things if known_by in one):
            within = partial(_within, whole, name, {known_by: thing[known_by]})
            yield within({"state": "absent"})
            rest = {option: said for option, said in spec.items() if option != known_by}
            yield from self._of(rest, thing, at, within)

    def _values(self, option: Params, path: tuple[str, ...], now: Any) -> Iterator[Any]:
        if option["type"] == "bool":
            known = [True, False]
        elif option.get("choices") and option["type"] != "list":
            known = option["choices"]
        else:
            known = self.values.get(path, [])
        return (value for value in known if value != now)


def _within(whole: Callable[[Params], Params], name: str, own: Params, said: Params) -> Params:
    return whole({name: [{**own, **said}]})

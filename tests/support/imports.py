"""Who imports whom below plugins/module_utils, and what of the machine a module has in hand.

Modules are called by their path there: `engine.plan`, `kinds.vm.table`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Union

from support.commands import ROOT

PLUGINS = ROOT / "plugins"
SHARED = PLUGINS / "module_utils"

# From the lowest to the highest. A module imports from its own room and from those below.
ROOMS = ("engine", "host", "kinds", "moving", "run", "information", "inventory")

# When an import is done: with the module's own, inside a function, or for type checkers alone.
MODULE, FUNCTION, TYPES = "module", "function", "types"

# All of others that a module may import that plans. What looks at the machine all the same, in
# modules that are pure otherwise and in the language, is in ASKS.
PURE = {
    *("__future__", "abc", "base64", "bisect", "collections", "contextlib", "copy", "dataclasses"),
    *("datetime", "difflib", "enum", "functools", "hashlib", "heapq", "hmac", "ipaddress"),
    *("itertools", "json", "math", "operator", "pathlib.PurePath", "pathlib.PurePosixPath"),
    *("posixpath", "re", "shlex", "stat", "string", "struct", "textwrap"),
    *(
        "types",
        "typing",
        "urllib.parse",
        "uuid",
        "yaml",
        "xml.etree.ElementTree",
        "xml.parsers",
        "xml.sax.saxutils",
    ),
}
PATHS = (
    *("abspath", "exists", "expanduser", "expandvars", "getatime", "getctime", "getmtime"),
    *("getsize", "isdir", "isfile", "islink", "ismount", "lexists", "os", "realpath", "relpath"),
)
ASKS = {
    *("open", "input", "__import__"),
    *("uuid.uuid1", "uuid.uuid4", "uuid.getnode", "ET.parse", "ElementTree.parse"),
    *("datetime.now", "datetime.today", "datetime.utcnow", "date.today"),
    *(f"posixpath.{name}" for name in PATHS),
}

ImportNode = Union[ast.Import, ast.ImportFrom]


@dataclass(frozen=True)
class Import:
    """One import: of a module of ours, or of something else by its dotted name."""

    importer: str
    imported: str
    when: str
    is_ours: bool

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported}"

    @property
    def is_upwards(self) -> bool:
        return self.is_ours and _floor(self.imported) > _floor(self.importer)


def _floor(name: str) -> int:
    return ROOMS.index(name.partition(".")[0])


class Module:
    """One file, as a tree."""

    def __init__(self, name: str, text: str, is_package: bool = False) -> None:
        self.name = name
        self.room = name.partition(".")[0]
        self.lines = text.count("\n")
        self._tree = ast.parse(text)
        self._package = name if is_package else name.rpartition(".")[0]

    def functions(self) -> Iterator[tuple[str, int]]:
        """Each function and method with its number of lines."""
        for node in ast.walk(self._tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1

    def imports(self, ours: Iterable[str] = ()) -> Iterator[Import]:
        """What it imports, relatively from one of `ours`; of others the name with the module."""
        for node, when in _imports(self._tree, MODULE):
            if isinstance(node, ast.ImportFrom) and node.level:
                for name in self._relative(node, ours):
                    yield Import(self.name, name, when, True)
            else:
                above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                for alias in node.names:
                    yield Import(self.name, f"{above}{alias.name}", when, False)

    def _relative(self, node: ast.ImportFrom, ours: Iterable[str]) -> set[str]:
        parts = self._package.split(".") if self._package else []
        above = parts[: len(parts) - (node.level - 1)]
        base = ".".join([*above, *([node.module] if node.module else [])])
        names = {".".join(filter(None, [base, alias.name])) for alias in node.names}
        return {name if name in ours else base for name in names}

    def asks(self) -> set[str]:
        """What of ASKS it names, by however long a path."""
        names = (n for n in ast.walk(self._tree) if isinstance(n, (ast.Name, ast.Attribute)))
        ends = (_dotted(name).rsplit(".", 2)[-2:] for name in names)
        return {ask for parts in ends for ask in (parts[-1], ".".join(parts)) if ask in ASKS}


def _dotted(node: ast.AST) -> str:
    """A name as it is written, `self.world.host`; what a call returns has none."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "()"


def _imports(node: ast.AST, when: str) -> Iterator[tuple[ImportNode, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, when
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _imports(child, FUNCTION)
        elif isinstance(child, ast.If) and _dotted(child.test).endswith("TYPE_CHECKING"):
            yield from _imports(child, TYPES)
        else:
            yield from _imports(child, when)


def modules(below: Path = SHARED) -> list[Module]:
    """All modules below a folder."""
    found = []
    for file in sorted(below.rglob("*.py")):
        parts = file.relative_to(below).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found.append(Module(name, file.read_text(encoding="utf-8"), is_package))
    return found


class Source:
    """All modules, with what they have of each other and of the machine."""

    def __init__(self, all_modules: Iterable[Module]) -> None:
        self.modules = {module.name: module for module in all_modules}
        self.imports = [one for m in self.modules.values() for one in m.imports(self.modules)]
        # Imports for type checkers alone bring nothing about.
        self._imported: dict[str, set[str]] = {name: set() for name in self.modules}
        for one in self.imports:
            if one.is_ours and one.when != TYPES and one.imported != one.importer:
                self._imported[one.importer].add(one.imported)

    def cycles(self) -> list[list[str]]:
        """The groups of modules of which each leads to each other."""
        reached = {name: self._reached(name) for name in self.modules}
        groups = {
            frozenset(other for other in reached[name] if name in reached[other])
            for name in self.modules
            if name in reached[name]
        }
        return sorted(sorted(group) for group in groups)

    def _reached(self, start: str) -> set[str]:
        return _led_to(start, self._imported)

    def at_start(self, name: str) -> set[str]:
        """What is imported along with a module, which is not what its functions import."""
        return _led_to(name, self._by_importer(MODULE))

    def shipped(self, name: str) -> set[str]:
        """What Ansible packs with a module: all imports that stand in its text, wherever."""
        return _led_to(name, self._by_importer(MODULE, FUNCTION, TYPES))

    def _by_importer(self, *when: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {name: set() for name in self.modules}
        for one in self.imports:
            if one.is_ours and one.when in when:
                found[one.importer].add(one.imported)
        return found

    # ---- what plans

    def planning(self) -> list[Module]:
        """The modules that are to be pure: the engine, of the kinds what neither reads nor applies,
        nor is there for that alone, and of moves all that neither reads nor applies."""
        return [
            module
            for module in self.modules.values()
            if module.room in ("engine", "kinds", "moving") and module.name not in self._outside
        ]

    @cached_property
    def _outside(self) -> set[str]:
        outside = {n for n in self.modules if _reads_or_applies(n) or n.startswith("information")}
        importers: dict[str, set[str]] = {}
        for name, imported in self._imported.items():
            for one in imported:
                importers.setdefault(one, set()).add(name)
        while more := {
            name
            for name, by in importers.items()
            if name.startswith("kinds.") and name not in outside and by <= outside
        }:
            outside |= more
        return outside

    def side_doors(self, module: Module) -> set[str]:
        """What a module has in hand on which no plan may depend."""
        own = (one for one in self.imports if one.importer == module.name)
        return {one.imported for one in own if self._is_door(one)} | module.asks()

    def _is_door(self, one: Import) -> bool:
        if not one.is_ours:
            return not _is_pure(one.imported)
        above, _dot, last = one.importer.rpartition(".")
        # A kind says what reads and applies it, and for which host.
        if last == "kind" and (one.when == TYPES or one.imported.startswith(f"{above}.")):
            return False
        return one.imported in self._of_the_machine or one.imported in self._outside

    @cached_property
    def _of_the_machine(self) -> set[str]:
        """The modules of host/ that look at it, and what imports them there."""
        host = [module for module in self.modules.values() if module.room == "host"]
        looks = {
            module.name
            for module in host
            if module.asks()
            or any(not _is_pure(i.imported) for i in module.imports() if not i.is_ours)
        }
        return looks | {module.name for module in host if self._reached(module.name) & looks}


def _led_to(start: str, imported: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        new = imported.get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return seen


def _reads_or_applies(name: str) -> bool:
    last = name.rpartition(".")[2]
    return name.startswith(("kinds.", "moving.")) and last.startswith(("reader", "applier"))


def _is_pure(name: str) -> bool:
    return name not in ASKS and any(f"{name}.".startswith(f"{pure}.") for pure in PURE)

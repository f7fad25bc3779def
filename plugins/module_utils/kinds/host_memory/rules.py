# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of a machine's memory, and what is told beside its plan."""

from __future__ import annotations

from collections.abc import Iterator

from ...engine.errors import Mistakes
from ...engine.promises_held import MEMORY
from ...engine.promises_policy import STRICT
from ...engine.promises_summed import sums
from ...engine.units import format_size
from ...host.kernel_memory import KSM, available
from . import kept
from .declared import RUN, Declared, Pages, Setting, key_of_pages
from .found import Found

MIB = 2**20
SMALL_PAGE = 4096  # which KSM merges
# What a host needs for itself beside huge pages: with less of its memory for the kernel, libvirtd
# and the processes of VMs it swaps, or does not boot at all. A tenth, but 2 GiB do for any.
HOST_SHARE, HOST_MOST = 10, 2 * 2**30


def check(declared: Declared, found: Found, mistakes: Mistakes) -> None:
    """All that the machine cannot have."""
    _check_ksm(declared, found, mistakes)
    known = [each for each in declared.pages if _is_known(each, found, mistakes)]
    if len(known) == len(declared.pages):
        _check_room(declared, found, mistakes)
        _check_promised(declared, found, mistakes)
        _check_boot(declared, found, mistakes)


# ---- KSM


def _check_ksm(declared: Declared, found: Found, mistakes: Mistakes) -> None:
    for setting in declared.settings:
        if setting.key[0] == "ksm" and found.number(setting) is None:
            says = f"this kernel has no /{setting.file}; leave the option out"
            mistakes.add(says, ".".join(setting.key))
    changes_scan = declared.ksm.get("pages_to_scan", found.ksm_number("pages_to_scan"))
    if found.ksm_is_advised and changes_scan != found.ksm_number("pages_to_scan"):
        says = (
            f"the kernel chooses this number itself, and refuses any other while "
            f"/{KSM}/advisor_mode is not none; write none to it, or leave the option out"
        )
        mistakes.add(says, "ksm.pages_to_scan")
    _check_unmerging(declared, found, mistakes)


def _check_unmerging(declared: Declared, found: Found, mistakes: Mistakes) -> None:
    """What is merged takes memory of its own when it is unmerged."""
    unmerges = declared.ksm.get("run") == RUN["unmerge"] and found.ksm_number("run") != 2
    needed = found.ksm_number("pages_sharing") * SMALL_PAGE
    there = available(found.memory[None])
    if (unmerges or is_detour(declared, found)) and needed > there:
        says = (
            f"the pages that are merged take {_mib(needed)} more once they are unmerged, and "
            f"{_mib(there)} are available; stop VMs first"
        )
        mistakes.add(says, "ksm.run" if unmerges else "ksm.merge_across_nodes")


def is_detour(declared: Declared, found: Found) -> bool:
    """Whether all has to be unmerged first: the kernel changes no nodes of what is merged."""
    now = found.ksm_number("merge_across_nodes")
    changes = declared.ksm.get("merge_across_nodes", now) != now
    return changes and found.ksm_number("pages_shared") > 0


def note(setting: Setting, found: Found) -> str:
    """What else a live change of a setting does."""
    merged = found.ksm_number("pages_shared") > 0
    if setting.key == ("ksm", "merge_across_nodes") and merged:
        return "all that is merged is unmerged for it first"
    return ""


# ---- huge pages


def _is_known(pages: Pages, found: Found, mistakes: Mistakes) -> bool:
    field = ".".join(pages.key)
    if pages.size not in found.sizes:
        has = ", ".join(map(format_size, found.sizes)) or "none at all"
        mistakes.add(f"this machine has no huge pages of that size; it has {has}", field)
        return False
    if pages.node is not None and pages.node not in found.nodes:
        has = ", ".join(map(str, found.nodes)) or "none"
        mistakes.add(f"there is no NUMA node {pages.node}; there are: {has}", field)
        return False
    return True


def number_now(pages: Pages, found: Found) -> int:
    """How many there are to be now. Those that programs have are never taken: a VM that starts may
    have more made than are declared, and has them until it ends."""
    now = found.pages[pages.size, pages.node]
    return max(pages.number, min(now.used, now.lasting))


def growth(declared: Declared, found: Found) -> dict[tuple[int, int | None], int]:
    """By how many pages each size and node grows at run time; less than 0 where it shrinks."""
    return {
        (each.size, each.node): number_now(each, found) - found.pages[each.size, each.node].lasting
        for each in declared.pages
        if not each.at_boot
    }


def _check_room(declared: Declared, found: Found, mistakes: Mistakes) -> None:
    """What comes is memory that is there: of the machine, and of the node."""
    more = growth(declared, found)
    for node in (None, *found.nodes):
        taken = {key: n for key, n in more.items() if node is None or key[1] == node}
        grown = sum(size * pages for (size, _node), pages in taken.items())
        info = found.memory[node]
        there = max(0, available(info) - (0 if node is not None else _for_host(found)))
        grows = [(size, of) for (size, of), pages in taken.items() if pages > 0]
        if grows and grown > there:
            where = "" if node is None else f" of node {node}"
            says = (
                f"the huge pages take {_mib(grown)} more than now, and {_mib(there)}{where} can be "
                f"had ({_mib(available(info))} are available"
                + (f", {_mib(_for_host(found))} stay with the host" if node is None else "")
                + "); declare fewer, or give memory back first"
            )
            field = key_of_pages(*grows[0], at_boot=False)
            mistakes.add(says, ".".join(field))
            return


def _check_promised(declared: Declared, found: Found, mistakes: Mistakes) -> None:
    """What is promised to VMs is not to be put into huge pages; less than before is let be."""
    more = growth(declared, found)
    grows = [key for key, pages in more.items() if pages > 0]
    capacity, policy, pools, vms = found.promised
    if not grows or policy.admission != STRICT:
        return
    after = dict(capacity.huge_pages)
    for (size, _node), pages in more.items():
        after[size] = after.get(size, 0) + pages
    was = {s.place: s.rest for s in sums(capacity, policy, pools, vms) if s.what == MEMORY}
    for one in sums(capacity._replace(huge_pages=after), policy, pools, vms):
        if one.what == MEMORY and one.rest < min(0, was.get(one.place, 0)):
            field = key_of_pages(*grows[0], at_boot=False)
            says = (
                f"VMs that run and resource pools were promised {_mib(-one.rest)} more of the "
                "host's memory than these huge pages would leave; declare fewer, or promise less"
            )
            mistakes.add(says, ".".join(field))


def _for_host(found: Found) -> int:
    return min(found.memory[None].get("MemTotal", 0) // HOST_SHARE, HOST_MOST)


def _mib(size: int) -> str:
    return f"{size // MIB}MiB"


# ---- at boot


def _check_boot(declared: Declared, found: Found, mistakes: Mistakes) -> None:
    at_boot = [each for each in declared.pages if each.at_boot]
    if not at_boot:
        return
    field = ".".join(at_boot[0].key)
    words = kept.command_line_of({each.size: {each.node: each.number} for each in at_boot})
    if not found.has_grub:
        says = (
            "this machine is not booted by GRUB as Debian installs it (there is no update-grub or "
            f"no /boot/grub/grub.cfg); add {words!r} to its kernel's command line yourself"
        )
        mistakes.add(says, field)
    for path, text in found.grub_of_others.items():
        if kept.names_huge_pages(text):
            mistakes.add(f"{path} reserves huge pages already; take hugepages= out of it", field)
    total = sum(each.size * each.number for each in at_boot)
    memory = found.memory[None].get("MemTotal", 0)
    there = memory - _for_host(found)
    if total > there:
        says = (
            f"{_mib(total)} of huge pages are wanted of {_mib(memory)}, of which the host itself "
            f"needs {_mib(_for_host(found))}: it would not boot; declare {_mib(there)} or less"
        )
        mistakes.add(says, field)


# ---- what is told


def warnings(declared: Declared, found: Found) -> Iterator[str]:
    """What will not last, or not come to pass, for reasons outside of the plan."""
    if declared.settings and not found.has_systemd:
        yield "systemd does not run here: nothing will set this at the next boot"
    if declared.ksm and found.ksm_tuner:
        yield f"{found.ksm_tuner} is enabled, which sets KSM by itself; disable it"
    for path, text in found.settings_of_others.items():
        for setting in declared.settings:
            if _is_set_in(path, text, setting):
                yield f"{'.'.join(setting.key)}: {path} sets it at boot, too; take it out of there"
    for pages in (each for each in declared.pages if not each.at_boot):
        if number_now(pages, found) != pages.number:
            now = found.pages[pages.size, pages.node]
            yield (
                f"{'.'.join(pages.key)}: {now.used} of {now.total} are in use, and those above the "
                f"{pages.number} that are declared stay until the VMs or programs end that have "
                "them: a VM has more made for its start than are free; declare as many as its "
                f"VMs need, {now.used} or more, to have them reserved"
            )
    for pages in (each for each in declared.pages if each.at_boot):
        booted = found.booted_with.get(pages.size, {}).get(pages.node, 0)
        count = found.pages[pages.size, pages.node].total
        if booted == pages.number and count != booted:
            yield f"{'.'.join(pages.key)}: {booted} were reserved at boot, and {count} are there"


def _is_set_in(path: str, text: str, setting: Setting) -> bool:
    """Whether a file of others sets it to something else."""
    if "tmpfiles.d/" in path:
        return kept.numbers_in(text).get(setting.file, setting.number) != setting.number
    is_default = setting.key == ("huge_pages", "2MiB")
    return is_default and kept.sysctl_in(text, "vm.nr_hugepages") not in (None, setting.number)

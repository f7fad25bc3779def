# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module is for: a host that is connected, or the snapshot of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils import basic

from ..engine.errors import FleetError
from ..engine.facts import Facts, Reads
from ..engine.world import Kind
from ..host.connection import Host, Opener, connect
from ..host.live import facts_of
from .module import require_libvirt

SNAPSHOT = "snapshot:"


def is_snapshot(uri: str) -> bool:
    """Whether a URI is that of a snapshot of a host."""
    return uri.startswith(SNAPSHOT)


@contextmanager
def opened(
    module: basic.AnsibleModule,
    kinds: Iterable[Kind],
    changes: bool = True,
    more: Iterable[Reads] = (),
    opening: Callable[[Opener, str], Any] | None = None,
) -> Iterator[tuple[Host | None, Facts]]:
    """The host that a module is for, and its facts, as far as plans of these kinds ask for them,
    and what `more` there is to ask; of a snapshot there are facts only. `opening` is another way to
    connect."""
    uri = module.params["uri"]
    if is_snapshot(uri):
        if changes and not module.check_mode:
            raise FleetError(
                f"{uri} can be planned for, and not changed; run in check mode (--check), or give "
                "the URI of the host"
            )
        from .snapshot import facts_in

        yield None, facts_in(uri[len(SNAPSHOT) :])
        return
    require_libvirt(module)
    with connect(uri, opening=opening) as host, host.errors("", "answer"):
        yield host, facts_of(host, (*(one for kind in kinds for one in kind.reads), *more))

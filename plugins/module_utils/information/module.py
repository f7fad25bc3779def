# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules have in common that only read: one connection, and errors told in one way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule

from ..engine.errors import FleetError, FleetErrors
from ..engine.world import Kind, World
from ..host.connection import Host, connect
from ..run.module import URI_SPEC, create_module, require_libvirt
from ..run.opening import is_snapshot, opened

Found = TypeVar("Found")
Gather = Callable[[Host, Mapping[str, Any]], "dict[str, Any]"]


def tell(spec: Mapping[str, Any], gather: Gather) -> None:
    """Return what `gather` finds on the host, but for its `warnings`, and end the module."""
    module = create_module({**URI_SPEC, **spec})
    found = found_on(module, lambda host: gather(host, module.params))
    for warning in found.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(changed=False, **found)


def found_on(module: AnsibleModule, look: Callable[[Host], Found]) -> Found:
    """What there is on the module's host, or the end of the module."""
    uri = module.params["uri"]
    if is_snapshot(uri):
        module.fail_json(msg=f"{uri} is no host, of which alone this module can tell; give its URI")
    require_libvirt(module)
    try:
        with connect(uri) as host, host.errors("", "answer"):
            return look(host)
    except (FleetError, FleetErrors) as error:
        errors = error.errors if isinstance(error, FleetErrors) else (error,)
        module.fail_json(msg=str(error), errors=[str(one) for one in errors])
        raise  # it does not return


def found_in(
    module: AnsibleModule, kinds: Iterable[Kind], look: Callable[[Host | None, World], Found]
) -> Found:
    """What there is in the world of the module's host, or of its snapshot; or the module's end."""
    try:
        with opened(module, kinds, changes=False) as (host, facts):
            return look(host, World(facts, {kind.name: kind for kind in kinds}))
    except (FleetError, FleetErrors) as error:
        errors = error.errors if isinstance(error, FleetErrors) else (error,)
        module.fail_json(msg=str(error), errors=[str(one) for one in errors])
        raise  # it does not return

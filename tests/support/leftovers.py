"""Removes from a libvirtd what a test left on it, found by the prefix of its names."""

from __future__ import annotations

import libvirt


def remove_all(uri: str, prefix: str) -> None:
    """Remove the VMs, networks and pools whose names begin so; files stay."""
    connection = libvirt.open(uri)
    try:
        for domain in connection.listAllDomains():
            if domain.name().startswith(prefix):
                _remove_domain(domain)
        for resource in [*connection.listAllNetworks(), *connection.listAllStoragePools()]:
            if resource.name().startswith(prefix):
                _remove(resource)
    finally:
        connection.close()


def _remove_domain(domain: libvirt.virDomain) -> None:
    persistent = domain.isPersistent()
    if domain.isActive():
        _destroy(domain)
    if persistent:
        domain.undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        )


def _destroy(domain: libvirt.virDomain) -> None:
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        # While libvirtd is still connecting to its VMs after a start, it destroys the VM and
        # then complains that it is gone (seen with 9.0).
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID or domain.isActive():
            raise


def _remove(resource: libvirt.virNetwork | libvirt.virStoragePool) -> None:
    persistent = resource.isPersistent()
    if resource.isActive():
        resource.destroy()
    if persistent:
        resource.undefine()

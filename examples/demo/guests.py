"""Wait until the demo's guests are up, and let each of them ping the others."""

from __future__ import annotations

import sys

from support.guest import GuestError, TinyGuest

# What site.yml gives each by its seed: its name, and the end of its address.
VMS = {
    "fleet-demo-web": ("web", ".11"),
    "fleet-demo-app": ("app", ".12"),
    "fleet-demo-db": ("db", ".13"),
}


def wait_for_addresses(guests: list[TinyGuest]) -> dict[str, str]:
    """The guests' addresses, by name, in their own words."""
    addresses = {}
    for guest in guests:
        cpus = guest.wait_ready()["cpus"]
        address = addresses[guest.name] = guest.wait_address()
        name = guest.wait_ready()["name"]
        print(f"{guest.name:15} is up with {cpus} CPU(s), as {name} at {address}", flush=True)
        if (name, address[address.rindex(".") :]) != VMS[guest.name]:
            raise GuestError(f"{guest.name} did not take its name and address from its seed")
    return addresses


def check_reach(guest: TinyGuest, addresses: dict[str, str]) -> None:
    others = {name: address for name, address in addresses.items() if name != guest.name}
    for name, address in others.items():
        if not guest.ping(address):
            raise GuestError(f"{guest.name} does not reach {name} at {address}")
    print(f"{guest.name:15} reaches {' and '.join(others)}", flush=True)


def main() -> int:
    guests = [TinyGuest(name) for name in VMS]
    try:
        addresses = wait_for_addresses(guests)
        for guest in guests:
            check_reach(guest, addresses)
    except GuestError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

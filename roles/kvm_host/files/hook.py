# kvm.fleet hook, version 1
# Managed by the role kvm.fleet.kvm_host, which puts it below /etc/libvirt/hooks, executable.
"""libvirt calls this as VMs start and end, and as a daemon starts: NAME OPERATION ...

Whatever goes wrong in here stops no VM: it ends with 0, and is told by the next run of kvm.fleet.
"""

import os
import sys

LIBRARY = "/usr/local/lib/kvm-fleet"
STATE = "/run/kvm-fleet"
# Calls for anything else end at once: each start of a VM waits for them.
OF_VM = ("prepare", "started", "reconnect", "release")


def main(folder, operation):
    """What is to be done for a call; the exit status."""
    sys.path.insert(0, LIBRARY)
    if folder == "daemon.d":
        from fleet.host import capacity, noted

        noted.note_call(capacity.SYSTEM, os.getppid())
        return 0
    from fleet.host import hooking

    status, said = hooking.called(operation, sys.stdin.read(), os.getppid())
    sys.stderr.write("".join(f"{one}\n" for one in said))
    return status


def fault(operation, error):
    """Note what went wrong, without anything that may be broken; if that fails, nothing helps."""
    try:
        os.makedirs(STATE, exist_ok=True)
        with open(f"{STATE}/faults", "a") as file:
            file.write(f"{operation}: {type(error).__name__}: {error}\n")
    except OSError:
        return


if __name__ == "__main__":
    folder, operation = sys.argv[0].split("/")[-2:-1], sys.argv[2:3]
    is_of_daemon = folder == ["daemon.d"]
    if operation and (operation[0] == "start" if is_of_daemon else operation[0] in OF_VM):
        status = 0
        try:
            status = main(*folder, *operation)
        except BaseException as error:
            fault(operation[0], error)
        os._exit(status)  # nothing is left to be tidied up, and that takes time

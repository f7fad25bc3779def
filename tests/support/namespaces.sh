#!/usr/bin/env bash
# The first process of a PrivateLibvirtd: hides the machine's own libvirt behind private folders.
#
# Run by private_libvirtd.py in new mount, network and PID namespaces, as
#     namespaces.sh BASE NAME PATH=FOLDER...
# where each FOLDER below BASE takes the place of PATH. Prints "ready", then lives for as long as its
# standard input stays open: when the test run ends, however it ends, the kernel ends everything
# that runs in these namespaces. As their PID 1 it also collects orphans (bash does, while reading).
set -euo pipefail

base=$1 name=$2
mapfile -t cgroups < <(awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts)

# Moves this process to a group of its own in each hierarchy, so that the groups of equally named
# VMs don't meet. The namespace made there has that group as its root.
enter_cgroups() {
    local cgroup setting
    for cgroup in "${cgroups[@]}"; do
        # In some containers they are read-only; then the VMs have no groups, as on such a host.
        mkdir "$cgroup/$name" 2>/dev/null || continue
        for setting in cpuset.cpus cpuset.mems; do
            # Version 1 starts empty, and then takes no process.
            if [[ -e $cgroup/$setting ]]; then cat "$cgroup/$setting" >"$cgroup/$name/$setting"; fi
        done
        echo 0 >"$cgroup/$name/cgroup.procs"
    done
}

hide_cgroups() {
    local cgroup
    for cgroup in "${cgroups[@]}"; do
        [[ -d $cgroup/$name ]] || continue
        mount --bind "$cgroup/$name" "$cgroup"
        # In version 2 only a group without processes has groups with controllers.
        if [[ -e $cgroup/cgroup.controllers ]]; then
            mkdir "$cgroup/first"
            echo 0 >"$cgroup/first/cgroup.procs"
        fi
    done
}

hide_folders() {
    local pair
    for pair in "$@"; do
        mkdir -p "${pair%%=*}"
        mount --bind "$base/${pair#*=}" "${pair%%=*}"
    done
    # Without D-Bus libvirt registers nothing with the machine's systemd.
    if [[ -d /run/dbus ]]; then
        mount -t tmpfs -o size=64k none /run/dbus
    fi
}

# Where the group of /dev/kvm is not Debian's, as in some containers, QEMU's user cannot open it, and
# libvirt then probes QEMU again at every turn (10 s for a define): give it a node as udev would.
replace_dev_kvm() {
    [[ -c /dev/kvm ]] && getent group kvm >/dev/null || return 0
    mkdir "$base/dev"
    mount -t tmpfs -o size=64k,mode=711 none "$base/dev"
    mknod -m 660 "$base/dev/kvm" c 10 232
    chgrp kvm "$base/dev/kvm"
    mount --bind "$base/dev/kvm" /dev/kvm
}

# /sys/class/net shows the network namespace that mounted /sys.
replace_sys() {
    mkdir "$base/cgroup"
    mount --rbind /sys/fs/cgroup "$base/cgroup"
    mount -t sysfs none /sys
    mount --rbind "$base/cgroup" /sys/fs/cgroup
    umount --recursive --lazy "$base/cgroup"
}

if [[ ${3:-} != --in-cgroups ]]; then
    enter_cgroups
    exec unshare --cgroup bash "$0" "$base" "$name" --in-cgroups "${@:3}"
fi

mount --make-rprivate /
ip link set lo up
hide_folders "${@:4}"
replace_dev_kvm
hide_cgroups
replace_sys

echo ready
read -r _ || true

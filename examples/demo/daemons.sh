# libvirt's daemons, where no service manager minds them: who has started them, and how they end.
# shellcheck shell=bash
libvirt_run=/run/libvirt
# The demo's own, one a line, in the order in which they were started. Gone with the machine's next
# start, as they are.
started=$libvirt_run/kvm-fleet-demo-daemons

# Those that run, by their PID files and their names.
running_daemons() {
    local file name
    for file in "$libvirt_run"/*d.pid; do
        name=$(basename "$file" .pid)
        if [[ -e $file && $(cat "/proc/$(<"$file")/comm" 2>/dev/null) == "$name" ]]; then
            echo "$name"
        fi
    done
}

# remembering_daemons COMMAND...: runs it, and notes which daemons it has started.
remembering_daemons() {
    local before
    before=$(running_daemons)
    "$@"
    [[ -d /run/systemd/system ]] || running_daemons | grep -vxF -e "$before" >>"$started" || true
}

# What others run on them: a VM, or a network.
others_use_them() {
    local uri=qemu:///system
    [[ -n $(timeout 60 virsh --quiet --connect "$uri" list --name) ||
        -n $(timeout 60 virsh --quiet --connect "$uri" net-list --name) ]]
}

# Ends those that the demo has started: libvirtd first, since it uses the others.
stop_daemons() {
    [[ -s $started ]] || return 0
    if others_use_them; then
        echo "demo: other VMs or networks run, so libvirt goes on running"
        return 0
    fi
    local name names
    mapfile -t names < <(running_daemons | grep -xF -f "$started" | sort)
    for name in "${names[@]}"; do
        stop_daemon "$name"
    done
    rm -f "$started"
}

stop_daemon() {
    local pid deadline=$((SECONDS + 60))
    pid=$(<"$libvirt_run/$1.pid")
    kill "$pid"
    while [[ -e /proc/$pid ]] && ((SECONDS < deadline)); do
        sleep 0.2
    done
    [[ ! -e /proc/$pid ]] || die "$1 (process $pid) does not end"
    echo "demo: stopped $1, which it had started"
}

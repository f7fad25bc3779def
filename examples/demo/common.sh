# What run and clean share. They take options of ansible-playbook, such as -e demo_subnet=10.99.7.
# shellcheck shell=bash
demo=examples/demo
export ANSIBLE_CONFIG=$PWD/ansible.cfg
export ANSIBLE_CALLBACK_RESULT_FORMAT=yaml
options=("$@")

die() {
    echo "demo: $*" >&2
    exit 1
}

# Root, because VMs on a NAT network and packages need it.
((EUID == 0)) || die "needs root: sudo make demo"

title() {
    printf '\n== %3d s  %s\n' "$SECONDS" "$*"
}

play() {
    .venv/bin/ansible-playbook -i "$demo/inventory.yml" "$demo/$1" "${@:2}" "${options[@]}"
}

# Only what changes: most tasks of the roles find that all is well.
play_tersely() {
    ANSIBLE_DISPLAY_OK_HOSTS=false ANSIBLE_DISPLAY_SKIPPED_HOSTS=false play "$@"
}

# SPDX-License-Identifier: GPL-3.0-or-later
"""What cloud-init knows at the top of a cloud-config, as far as all its versions agree.

After its published schema (cloudinit/config/schemas/schema-cloud-config-v1.json), as of 26.2. Each
version knows others, so one that is not named here is no mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LISTS = _words(
    """
    bootcmd cloud_config_modules cloud_final_modules cloud_init_modules fs_setup
    mount_default_fields mounts packages runcmd ssh_authorized_keys ssh_fp_console_blacklist
    ssh_genkeytypes ssh_import_id ssh_key_console_blacklist write_files
    """
)
MAPPINGS = _words(
    """
    ansible apk_repos apt ca_certs chef chpasswd device_aliases disk_setup drivers fan growpart
    grub_dpkg keyboard landscape lxd mcollective ntp output phone_home power_state puppet
    random_seed reporting resolv_conf rh_subscription rpi salt_minion snap spacewalk ssh
    ssh_keys ssh_publish_hostkeys swap system_info ubuntu_advantage ubuntu_pro updates vendor_data
    wireguard yum_repos zypper
    """
)
# Of these cloud-init takes a text for a list of one (util.get_cfg_option_list).
OR_ONE = _words(
    """
    mount_default_fields packages ssh_authorized_keys ssh_fp_console_blacklist ssh_genkeytypes
    ssh_import_id ssh_key_console_blacklist
    """
)
# Those of which more than one type is read, in one version or another.
OTHERS = _words(
    """
    allow_public_ssh_keys apt_pipelining apt_reboot_if_required apt_update apt_upgrade authkey_hash
    autoinstall byobu_by_default ca-certs create_hostname_file datasource datasource_list debug
    disable_ec2_metadata disable_root disable_root_opts final_message fqdn groups grub-dpkg hostname
    launch-index locale locale_configfile manage_etc_hosts manage_resolv_conf merge_how merge_type
    migrate network no_ssh_fingerprints package_reboot_if_required package_update package_upgrade
    password prefer_fqdn_over_hostname preserve_hostname resize_rootfs rsyslog ssh_deletekeys
    ssh_pwauth ssh_quiet_keygen ssh_redirect_user timezone user users version yum_repo_dir
    """
)
KNOWN = LISTS | MAPPINGS | OTHERS


def wrong(config: Mapping[str, Any]) -> Iterator[str]:
    """What is said of known keys in another type than any version reads. Null says nothing."""
    for key, value in config.items():
        if value is None:
            continue
        if key in OR_ONE and isinstance(value, str):
            continue
        if key in LISTS and not isinstance(value, (list, tuple)):
            yield f"{key} is {_called(value)}, and cloud-init reads a list"
        elif key in MAPPINGS and not isinstance(value, Mapping):
            yield f"{key} is {_called(value)}, and cloud-init reads a mapping"


def unknown(config: Mapping[str, Any]) -> Iterator[str]:
    """Keys that cloud-init may pass over, with the one that may be meant."""
    for key in sorted(map(str, config)):
        if key not in KNOWN:
            near = get_close_matches(key, sorted(KNOWN), 1, 0.8)
            meant = f"; near to it is {near[0]}" if near else ""
            yield f"{key} is no key that is known of cloud-init, which may pass over it{meant}"


def _called(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else "neither a list nor a mapping"

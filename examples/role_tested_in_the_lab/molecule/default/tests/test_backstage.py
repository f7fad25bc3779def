"""What the role promises, seen from outside."""

testinfra_hosts = ["ansible://kvm_hosts"]


def test_vswitch(host):
    backstage = host.vswitch("backstage")
    assert backstage.is_active
    assert backstage.is_autostart
    assert backstage.mode == "isolated"
    assert backstage.addresses == ["192.168.77.1/24"]


def test_pool(host):
    backstage = host.storage_pool("backstage")
    assert backstage.is_active
    assert backstage.is_autostart
    assert backstage.path == "/srv/backstage"
    assert backstage.volumes == []

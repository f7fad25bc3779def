"""CPUs of hosts that no machine of the tests has, as domain capabilities tell them."""

from __future__ import annotations

ROME = """
<model fallback='forbid'>EPYC-Rome</model>
<vendor>AMD</vendor>
<maxphysaddr mode='passthrough' limit='48'/>
<feature policy='require' name='x2apic'/>
<feature policy='require' name='hypervisor'/>
<feature policy='require' name='invtsc'/>
<feature policy='disable' name='svm'/>
"""
MILAN = """
<model fallback='forbid'>EPYC-Milan</model>
<vendor>AMD</vendor>
<feature policy='require' name='x2apic'/>
<feature policy='require' name='hypervisor'/>
<feature policy='require' name='invtsc'/>
<feature policy='require' name='tsc-deadline'/>
<feature policy='disable' name='svm'/>
"""
SKYLAKE = """
<model fallback='forbid'>Skylake-Server</model>
<vendor>Intel</vendor>
<feature policy='require' name='hypervisor'/>
<feature policy='disable' name='rtm'/>
<feature policy='disable' name='hle'/>
"""


def capabilities(host_model: str) -> str:
    """The domain capabilities of a host whose CPU is this model."""
    return f"""
    <domainCapabilities>
      <domain>kvm</domain>
      <arch>x86_64</arch>
      <cpu>
        <mode name='host-passthrough' supported='yes'/>
        <mode name='host-model' supported='yes'>{host_model}</mode>
        <mode name='custom' supported='yes'>
          <model usable='yes' vendor='AMD'>EPYC</model>
        </mode>
      </cpu>
    </domainCapabilities>"""

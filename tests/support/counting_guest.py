"""A guest in one boot sector: it fills its memory, and writes a counter to its disk for ever.

It runs within a second in emulation. Sector FIRST + n of its disk holds n + 1, 128 times: what it
wrote has no gap and nothing wrong in it, and the next number comes from its memory. So a guest that
lost a write, its memory or its place, or that ran twice, is told by its image alone.

The code is that of the 16-bit assembly below, assembled for 0x7c00:

    cli; xor ax,ax; mov ds,ax; mov ss,ax; mov sp,0x7c00; mov bx,0xb800
    lgdt [gdtdesc]; mov eax,cr0; or al,1; mov cr0,eax       ; a segment of 4 GiB into es
    mov bx,8; mov es,bx; and al,0xfe; mov cr0,eax
    mov edi,0x100000; mov ecx,[fill_end]
  fill: imul eax,eax,1664525; add eax,1013904223; mov es:[edi],eax; add edi,4
    cmp edi,ecx; jb fill                                    ; random numbers: nothing compresses
    xor ax,ax; mov es,ax; sti
  count: inc dword [counter]; mov eax,[counter]; mov di,0x8000; mov cx,128; rep stosd
    add eax,FIRST-1; mov [lba],eax; mov si,dap; mov ax,0x4300; mov dl,0x80; int 0x13
    jc retry; hlt; hlt; jmp count                           ; two ticks of 55 ms
  retry: dec dword [counter]; hlt; jmp count
"""

from __future__ import annotations

import subprocess
from pathlib import Path

CODE = bytes.fromhex("""
    fa31c08ed88ed0bc007cbb00b80f0116837c0f20c00c010f22c0bb08008ec324fe0f22c066bf00001000668b
    0ef87d6669c00d66190066055ff36e3c26676689076683c7046639cf72e531c08ec0fb66ff06ac7c66a1ac7c
    bf0080b9800066f3ab6605ff07000066a3a47cbe9c7cb80043b280cd137204f4f4ebd466ff0eac7cf4ebcc0f
    008c7c00008d74000000000000000000ffff000000928f001000010000800000000000000000000000000000
""")
FILL_END_AT = 0x1F8
FIRST, SECTOR = 2048, 512
NUMBERS_IN_SECTOR = SECTOR // 4


def boot_sector(fill_mib: int) -> bytes:
    """The guest, with so much of its memory full; its first MiB is the firmware's."""
    end = (2**20 * (1 + fill_mib)).to_bytes(4, "little")
    return CODE.ljust(FILL_END_AT, b"\0") + end + b"\0\0\x55\xaa"


def make_image(path: Path, fill_mib: int = 15, size_mib: int = 8, form: str = "qcow2") -> None:
    """An image to boot it from."""
    raw = path.with_name(f"{path.name}.raw")
    raw.write_bytes(boot_sector(fill_mib))
    with raw.open("r+b") as file:
        file.truncate(size_mib * 2**20)
    convert = ["qemu-img", "convert", "-f", "raw", "-O", form, str(raw), str(path)]
    subprocess.run(convert, check=True)
    raw.unlink()


def counted(path: Path, size_mib: int = 0) -> int:
    """How far it has counted on its image; an AssertionError where a number is wrong or missing.

    Of one that is larger than so many MiB the rest is not looked at.
    """
    raw = path.with_name(f"{path.name}.seen")
    convert = ["qemu-img", "convert", "-U", "-O", "raw", str(path), str(raw)]
    subprocess.run(convert, check=True, capture_output=True)
    data = raw.read_bytes()[FIRST * SECTOR : size_mib * 2**20 or None]
    raw.unlink()
    last = 0
    for at in range(0, len(data), SECTOR):
        sector = data[at : at + SECTOR]
        if not any(sector):
            break
        last += 1
        assert sector == last.to_bytes(4, "little") * NUMBERS_IN_SECTOR, (
            f"number {last}: {sector!r}"
        )
    assert not any(data[last * SECTOR :]), f"there is something beyond number {last}"
    return last

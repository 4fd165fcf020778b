# SPDX-License-Identifier: BSD-3-Clause
"""
image.py - makes the file behind an emulated NVDIMM, so that a guest finds a file system with DAX on it at its first boot

    0 MiB   the namespace: at 4 KiB stands the info block (struct nd_pfn_sb in Linux' drivers/nvdimm/pfn.h) that makes a
            device without labels an "fsdax" namespace. A raw one gives no DAX.
    2 MiB   the file system, aligned so that the kernel can map 2 MiB at once: here /dev/pmem0 begins

What stands at offset N of the file is sector (N - 2 MiB) / 512 of /dev/pmem0: `sector_of` says so.
"""
import os
import struct
import subprocess
import uuid

MIB = 1 << 20
INFO_OFFSET = 4096
INFO_SIZE = 4096
DATA_OFFSET = 2 * MIB
SIZES = {"ext4": 256 * MIB, "xfs": 512 * MIB}  # xfs refuses to be smaller than 300 MiB

# signature, uuid, parent's uuid, flags, version 1.4 in two words of 16 bits, data offset, pages, mode, start_pad, end_trunc,
# alignment, page size, size of struct page
INFO_BLOCK = struct.Struct("<16s16s16sIHHQQIIIIIH")
MODE_RAM = 1  # the kernel keeps its struct pages in ordinary memory

# stride and su: files are laid out so that 2 MiB of them can be mapped at once.
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E",
             "nodiscard,lazy_itable_init=0,lazy_journal_init=0,stride=512,stripe_width=512"],
    "xfs": ["mkfs.xfs", "-q", "-K", "-m", "reflink=0", "-d", "agcount=2,su=2m,sw=1", "-l", "su=32k"],
}


def checksum(block):
    """Fletcher's of 64 bits over little-endian words of 32, as the kernel computes it."""
    low = high = 0
    for (word,) in struct.iter_unpack("<I", block):
        low = (low + word) & 0xffffffff
        high = (high + low) & 0xffffffff
    return high << 32 | low


def info_block(size):
    head = INFO_BLOCK.pack(b"NVDIMM_PFN_INFO\0", uuid.uuid4().bytes, bytes(16), 0, 1, 4, DATA_OFFSET,
                           (size - DATA_OFFSET) // 4096, MODE_RAM, 0, 0, 2 * MIB, 4096, 64)
    block = head.ljust(INFO_SIZE - 8, b"\0")
    return block + struct.pack("<Q", checksum(block + bytes(8)))


def make(path, fs):
    """The file at path, with a fresh file system; sparse, so that it takes what is written to it."""
    size = SIZES[fs]
    inner = path + ".fs"
    try:
        with open(inner, "wb") as file:
            file.truncate(size - DATA_OFFSET)
        subprocess.run([*MAKE[fs], inner], check=True, stdin=subprocess.DEVNULL)
        with open(path, "wb") as file:
            file.truncate(size)
            file.seek(INFO_OFFSET)
            file.write(info_block(size))
        subprocess.run(["dd", f"if={inner}", f"of={path}", "bs=2M", "seek=1", "conv=notrunc,sparse", "status=none"],
                       check=True)
        os.truncate(path, size)
    finally:
        if os.path.exists(inner):
            os.unlink(inner)


def sector_of(path, marker):
    """The sector of /dev/pmem0 where the bytes stand, which must stand there once. With DAX a file's bytes are the device's."""
    offsets = []
    with open(path, "rb") as file:
        tail, at = b"", 0
        while block := file.read(4 * MIB):
            data = tail + block
            found = data.find(marker)
            while found >= 0:
                offsets.append(at - len(tail) + found)
                found = data.find(marker, found + 1)
            tail, at = data[-(len(marker) - 1):], at + len(block)
    if len(offsets) != 1:
        raise LookupError(f"{marker[:40]!r} stands {len(offsets)} times in {path}")
    return (offsets[0] - DATA_OFFSET) // 512

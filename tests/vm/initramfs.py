# SPDX-License-Identifier: BSD-3-Clause
"""
initramfs.py - the guest's root: busybox, kernel modules, init.sh, and the programs to be tested with their libraries

The archive is written in cpio's "newc" format (Linux' Documentation/driver-api/early-userspace/buffer-format.rst), so
that device nodes and owners need neither root nor tools.
"""
import os
import re
import stat
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DIRECTORIES = ["bin", "dev", "etc", "lib", "lib64", "mnt", "mnt/pmem", "modules", "proc", "sys", "tmp"]


class Archive:
    def __init__(self):
        self.parts = []
        self.names = set()

    def add(self, name, mode, data=b"", device=(0, 0)):
        if name in self.names:
            return
        parent = os.path.dirname(name)
        if parent:
            self.add(parent, stat.S_IFDIR | 0o755)
        self.names.add(name)
        fields = [len(self.names), mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        self.parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]

    def add_file(self, path, name):
        with open(path, "rb") as file:
            self.add(name, stat.S_IFREG | 0o755, file.read())

    def add_program(self, path):
        """A program in /bin, without what a debugger would want, and each library where the loader looks for it."""
        with tempfile.NamedTemporaryFile() as stripped:
            subprocess.run(["strip", "-o", stripped.name, path], check=True)
            self.add_file(stripped.name, "bin/" + os.path.basename(path))
        listed = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            self.add_file(library, library.lstrip("/"))

    def write(self, path):
        self.add("TRAILER!!!", 0)
        with open(path, "wb") as file:
            file.write(b"".join(self.parts))


def build(path, home, programs):
    """home: what `pmem-vm.sh setup` made."""
    archive = Archive()
    for name in DIRECTORIES:
        archive.add(name, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add_file("/bin/busybox", "bin/busybox")
    archive.add_file(os.path.join(HERE, "init.sh"), "init")
    modules = os.path.join(home, "modules")
    for directory, _, names in os.walk(modules):
        for name in names:
            path_there = os.path.join(directory, name)
            archive.add_file(path_there, os.path.join("modules", os.path.relpath(path_there, modules)))
    for program in programs:
        archive.add_program(program)
    archive.write(path)

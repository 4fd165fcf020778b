# SPDX-License-Identifier: BSD-3-Clause
"""
machine.py - a guest with an emulated NVDIMM: boots it, runs commands in it, cuts its power

The power cut is a SIGKILL of QEMU. What the guest stored to the NVDIMM is in its image, because QEMU maps that file; what the
guest's kernel had in memory is gone: page cache, the file system's metadata that it had not written yet. What a missing
flush loses is not seen here, since the emulated CPU has no cache: the crash images see that.

`-accel tcg`: an emulated processor everywhere, which has clwb and AVX2, and no AVX-512.
"""
import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time

import initramfs

HOME = os.environ.get("SUPERDB_VM_HOME", "")  # pmem-vm.sh sets it
BOOT_SECONDS = 120  # for a boot, and for a command: emulated, and the machine may have a lot else to do
BOOTS_MAX = 3
DOMAINS = {"eadr": "cpu", "adr": "mem-ctrl"}
POOL = "/mnt/pmem/pool.sdb"
RUNNING = []


@atexit.register
def end_all():
    for machine in list(RUNNING):
        machine.kill()


class GuestError(Exception):
    """The guest did not do what it must."""


def work_directory():
    """Where images are; on a disk, they are a few hundred MiB."""
    return tempfile.mkdtemp(prefix="superdb-vm-", dir=os.environ.get("SUPERDB_TEST_DIR"))


class Machine:
    """
    image: what the NVDIMM holds, and keeps. directory: for the console's output. port: forwarded to the guest's 6379. ledger: a
    file that a device shows the guest as memory (`ledger_path` says where), and that no power cut touches.
    """

    def __init__(self, image, directory, port, programs, domain="adr", cpus=2, ledger=None):
        self.image = image
        self.port = port
        self.ledger = ledger
        self.domain = domain
        self.cpus = cpus
        self.console = os.path.join(directory, "console")
        self.root = os.path.join(directory, "root.cpio")
        self.control = None
        self.process = None
        self.boot_seconds = 0.0
        self.boots = 0
        if not os.path.exists(os.path.join(HOME, "ready")):
            raise GuestError(f"nothing in {HOME}: run scripts/pmem-vm.sh setup")
        initramfs.build(self.root, HOME, programs)

    def command_line(self, control):
        size = os.path.getsize(self.image)
        shared = [] if not self.ledger else [
            "-object", f"memory-backend-file,id=ledger,share=on,mem-path={self.ledger},size={os.path.getsize(self.ledger)}",
            "-device", "ivshmem-plain,memdev=ledger"]
        return [
            "setpriv", "--pdeathsig", "KILL",  # no guest outlives its test
            "qemu-system-x86_64", "-machine", f"pc,nvdimm=on,nvdimm-persistence={DOMAINS[self.domain]}",
            "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(self.cpus), "-m", "768M,slots=2,maxmem=4G",
            "-object", f"memory-backend-file,id=nv,share=on,mem-path={self.image},size={size}",
            "-device", "nvdimm,memdev=nv,id=nv0",
            "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-10.0.2.15:6379",
            "-device", "virtio-net-pci,netdev=net,romfile=",
            *shared, "-nodefaults", "-display", "none", "-no-reboot",
            "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console",
            "-chardev", f"socket,id=control,fd={control}", "-serial", "chardev:control",
            "-kernel", os.path.join(HOME, "vmlinux"), "-initrd", self.root,
            "-append", "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off tsc=reliable random.trust_cpu=on "
                       "cryptomgr.notests no_timer_check",  # a busy host is late with the timer that the kernel looks for
        ]

    def start(self):
        """
        Boots, up to the point where the guest takes commands. Nothing of what is tested has run until then, so that a kernel that
        does not get there, as happens on an overloaded host, is started again.
        """
        for attempt in range(BOOTS_MAX):
            begun = time.monotonic()
            self.launch()
            try:
                self.expect(b"@ready")
            except GuestError:
                self.kill()
                if attempt == BOOTS_MAX - 1:
                    raise
            else:
                self.boot_seconds = time.monotonic() - begun
                break

    def launch(self):
        self.control, theirs = socket.socketpair()
        self.control.settimeout(BOOT_SECONDS)
        self.input = self.control.makefile("rb")
        with theirs, open(self.console, "ab") as log:
            log.write(b"\n---- boot %d, %s\n" % (self.boots, self.domain.encode()))
            log.flush()
            self.process = subprocess.Popen(self.command_line(theirs.fileno()), pass_fds=[theirs.fileno()],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        RUNNING.append(self)
        self.boots += 1

    def line(self):
        try:
            line = self.input.readline()
        except OSError as error:
            raise GuestError(f"the guest is silent ({error})\n{self.log()}") from None
        if not line.endswith(b"\n"):
            raise GuestError(f"the guest has ended\n{self.log()}")
        return line.rstrip(b"\r\n")

    def expect(self, wanted):
        line = self.line()
        if line != wanted:
            raise GuestError(f"{line!r} instead of {wanted!r}\n{self.log()}")

    def shell(self, command, timeout=BOOT_SECONDS):
        """Runs one line in the guest: (exit status, output)."""
        self.control.settimeout(timeout)
        self.control.sendall(command.encode() + b"\n")
        output = []
        while not (line := self.line()).startswith(b"="):
            output.append(line[1:].decode("utf-8", "replace"))
        return int(line[1:]), "\n".join(output)

    def must(self, command, timeout=BOOT_SECONDS):
        status, output = self.shell(command, timeout)
        if status != 0:
            raise GuestError(f"{command}: exit status {status}\n{output}\n{self.log()}")
        return output

    def mount(self, fs, dax="always"):
        self.must(f"for module in /modules/{fs}/*.ko; do test ! -e $module || insmod $module || exit; done")
        self.must(f"mount -t {fs} -o dax={dax} /dev/pmem0 /mnt/pmem")

    def ledger_path(self):
        """The ledger's memory in the guest: region 2 of QEMU's device 1af4:1110."""
        device = self.must("cd /sys/bus/pci/devices; dirname $(grep -l 0x1110 */device)").strip()
        self.must(f"echo 1 >/sys/bus/pci/devices/{device}/enable")
        return f"/sys/bus/pci/devices/{device}/resource2"

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """The power cut."""
        if self.process is None:
            return
        self.process.kill()
        self.ended()

    def stop(self):
        """Unmounts and powers off."""
        self.must("if grep -q /mnt/pmem /proc/mounts; then umount /mnt/pmem; fi")
        self.control.sendall(b"poweroff -f\n")
        self.ended()

    def ended(self):
        self.process.wait(30)
        self.input.close()
        self.control.close()
        self.process = None
        RUNNING.remove(self)

    def log(self):
        with open(self.console, "rb") as file:
            return file.read()[-6000:].decode("utf-8", "replace")


def remove(directory):
    shutil.rmtree(directory, ignore_errors=True)

# SPDX-License-Identifier: BSD-3-Clause
"""
run.py - boots a guest with an emulated NVDIMM at /mnt/pmem, runs one command in it, powers off (scripts/pmem-vm.sh run)

The exit status is the command's. With --image the NVDIMM's contents stay; it is made where there is none.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402
import image  # noqa: E402
import machine  # noqa: E402


def options():
    parser = argparse.ArgumentParser(prog="pmem-vm.sh run", description="runs a command in a guest with an NVDIMM")
    parser.add_argument("--fs", choices=image.SIZES, default="ext4")
    parser.add_argument("--dax", choices=["always", "never"], default="always")
    parser.add_argument("--domain", choices=machine.DOMAINS, default="adr", help="adr: flushes needed; eadr: none")
    parser.add_argument("--image", help="the NVDIMM's contents, kept (else they are thrown away)")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=600, help="seconds for the command")
    parser.add_argument("--program", action="append", default=[],
                        help="another program to have in the guest, besides superdb-server, superdb-pool and busybox")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="as a shell reads it")
    return parser.parse_args()


def main():
    wanted = options()
    directory = machine.work_directory()
    try:
        path = wanted.image or os.path.join(directory, "image")
        if not os.path.exists(path):
            image.make(path, wanted.fs)
        programs = [harness.superdb_server(), harness.superdb_pool(), *wanted.program]
        guest = machine.Machine(path, directory, harness.free_port(), programs, wanted.domain, wanted.cpus)
        guest.start()
        guest.mount(wanted.fs, wanted.dax)
        status, output = guest.shell(" ".join(wanted.command), wanted.timeout)
        print(output)
        guest.stop()
        return status
    except machine.GuestError as error:
        print(f"pmem-vm.sh run: {error}", file=sys.stderr)
        return 125
    finally:
        machine.end_all()
        machine.remove(directory)


if __name__ == "__main__":
    sys.exit(main())

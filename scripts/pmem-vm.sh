#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# pmem-vm.sh VERB [options] - SuperDB on real DAX, on any x86-64 machine: a guest with an emulated NVDIMM
#
#   setup                   installs QEMU and what belongs to it (scripts/packages.txt, group vm), fetches Debian's kernel.
#                           Does nothing where it was done before. The other verbs do it first.
#   run [options] COMMAND   boots, mounts the NVDIMM at /mnt/pmem, runs COMMAND, powers off. `run --help` for the options
#   check                   two boots on one image with a power cut between them (what CI runs): MAP_SYNC, detection of persistent
#                           memory, eADR and ADR, what was acknowledged, a poisoned page, the same without DAX
#   proof [--rounds N]      power cuts under load: ext4 and xfs, ADR and eADR, classes pmem and msync, server and library;
#                           `proof --help`
#   self-test               the proof on a medium that loses data must fail
#
# SUPERDB_VM_HOME (default: superdb-vm in XDG_CACHE_HOME, ~/.cache else) keeps kernel and modules. SUPERDB_SERVER, SUPERDB_POOL and
# SUPERDB_EMBEDDED (integration_embedded_kill) name the programs to test, else those of the release preset are built.
# SUPERDB_TEST_DIR: where images are made (/tmp).
#
# Exit status: 3: this machine cannot have it (the last line says why); else that of what ran. Never measure speed in the guest:
# its processor is emulated.
set -euo pipefail
invoked_from=$PWD
cd "$(dirname "$0")/.."
home=${SUPERDB_VM_HOME:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/superdb-vm}
export SUPERDB_VM_HOME=$home

# The drivers from the NVDIMM up, and the network; file systems are loaded where they are mounted. modprobe adds what they need.
modules=(nfit nd_pmem dax_pmem virtio_pci virtio_net)
file_systems=(ext4 xfs)

cannot()
{
    echo "pmem-vm.sh: $*" >&2
    exit 3
}

# Fetches the newest kernel that Debian has for guests, without installing it. Prints the directory that it was unpacked to.
fetch_kernel()
{
    local package
    find_package() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p'; }
    package=$(find_package | head -1)
    if [ -z "$package" ] || ! (cd "$1" && apt-get -o APT::Sandbox::User=root download -qq "$package" >&2); then
        # The lists on the machine may be old or absent.
        if [ "$(id -u)" -eq 0 ]; then apt-get update -qq >&2; else sudo -n apt-get update -qq >&2; fi || return 1
        package=$(find_package | head -1)
        [ -n "$package" ] && (cd "$1" && apt-get -o APT::Sandbox::User=root download -qq "$package" >&2) || return 1
    fi
    dpkg-deb -x "$1/$package"_*.deb "$1/kernel" && rm -f "$1/$package"_*.deb
}

# vmlinux of a bzImage: as an ELF file, which the emulator starts without unpacking it in the guest. The kernel's boot protocol
# (Documentation/x86/boot.rst) says where the packed one stands: setup_sects at 0x1f1, payload_offset at 0x248, its length behind.
unpack_kernel()
{
    local sectors offset length
    sectors=$(od -An -tu1 -j $((0x1f1)) -N1 "$1")
    offset=$(od -An -tu4 -j $((0x248)) -N4 "$1")
    length=$(od -An -tu4 -j $((0x24c)) -N4 "$1")
    tail -c +$(((sectors + 1) * 512 + offset + 1)) "$1" | head -c "$length" >"$2.packed" || true
    case $(od -An -tx4 -N4 "$2.packed" | tr -d ' ') in
    184c2102) { head -c $((length - 4)) "$2.packed" | lz4 -dcq >"$2"; } ;; # the last 4 bytes are the length of the whole
    587a37fd) { head -c $((length - 4)) "$2.packed" | xz -dcq >"$2"; } ;;
    *) cp "$1" "$2" ;; # another packing: the guest unpacks it itself, more slowly
    esac
    rm -f "$2.packed"
}

# collect TREE TARGET MODULE...: the modules in the order in which they must be loaded, their names beginning with it, without what
# a debugger would want, and without those that stand in TARGET/.. already.
collect()
{
    local tree=$1 target=$2 version path name number=100
    version=$(basename "$tree"/lib/modules/*)
    shift 2
    mkdir -p "$target"
    for path in $(for module in "$@"; do
        modprobe -C /dev/null -d "$tree" -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | awk '!seen[$0]++'); do
        name=$(basename "$path")
        [ -z "$(find "$target/.." -maxdepth 1 -name "*-$name")" ] || continue
        number=$((number + 1))
        strip --strip-debug -o "$target/$number-$name" "$path"
    done
}

collect_modules()
{
    local fs
    depmod -b "$1" "$(basename "$1"/lib/modules/*)"
    collect "$1" "$2" "${modules[@]}"
    for fs in "${file_systems[@]}"; do
        collect "$1" "$2/$fs" "$fs"
    done
}

setup()
{
    [ "$(uname -m)" = x86_64 ] || cannot "the guest is an x86-64 one, this machine is $(uname -m)"
    command -v apt-get >/dev/null || cannot "not a Debian system: QEMU and a kernel are installed by apt-get"
    scripts/install-deps.sh build test vm || cannot "the packages of scripts/packages.txt, group vm, cannot be installed"
    # What stands here depends on this script alone.
    local stamp
    stamp=$(sha256sum <scripts/pmem-vm.sh)
    [ ! -e "$home/ready" ] || [ "$(cat "$home/ready")" != "$stamp" ] || return 0
    mkdir -p "$home"
    work=$(mktemp -d "$home/setup.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    fetch_kernel "$work" || cannot "Debian's kernel (linux-image-cloud-amd64) cannot be fetched"
    unpack_kernel "$work"/kernel/boot/vmlinuz-* "$work/vmlinux"
    collect_modules "$work/kernel" "$work/modules"
    rm -rf "$home/ready" "$home/modules"
    mv "$work/vmlinux" "$work/modules" "$home/"
    echo "$stamp" >"$home/ready"
    echo "pmem-vm.sh: $(basename "$work"/kernel/boot/vmlinuz-*) is ready in $home"
}

programs()
{
    [ -z "${SUPERDB_SERVER:-}" ] || [ -z "${SUPERDB_POOL:-}" ] || return 0
    cmake --preset release -DBUILD_TESTING=ON >/dev/null
    cmake --build --preset release --target superdb-server superdb-pool integration_embedded_kill
    export SUPERDB_SERVER=$PWD/build/release/superdb-server SUPERDB_POOL=$PWD/build/release/superdb-pool
}

# Runs a program of tests/vm where the caller stands.
start()
{
    local program=$PWD/tests/vm/$1
    shift
    setup
    programs
    cd "$invoked_from"
    exec python3 "$program" "$@"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
setup) setup ;;
run) start run.py "$@" ;;
check) start check.py "$@" ;;
proof) start proof.py "$@" ;;
self-test) start proof.py --self-test "$@" ;;
*)
    sed -n '4,/^set /{/^set /d;s/^# \{0,1\}//p}' "scripts/$(basename "$0")" >&2
    exit 2
    ;;
esac

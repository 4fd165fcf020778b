#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# emulate-pmem.sh [--dir DIR] [--size SIZE] | --remove [--dir DIR] - a directory whose files behave like persistent memory
#
# Best first: a tmpfs mounted with huge=always (needs root), /dev/shm (4 KiB pages unless the kernel gives huge ones), a
# directory on disk. Prints the directory on standard output, and on standard error what was made and what falls short.
# None of these survives a power cut, and the first two not a reboot: only real persistent memory does.
#   --dir     where to mount                                 (/mnt/superdb-pmem)
#   --size    what the tmpfs may hold at most, as in mount   (50% of the machine's memory)
#   --remove  unmounts it; every pool in it is gone
set -euo pipefail

dir=/mnt/superdb-pmem
size=50%
remove=0
while [ $# -gt 0 ]; do
    case $1 in
    --dir | --size)
        [ $# -ge 2 ] || { echo "emulate-pmem: $1 needs a value" >&2; exit 2; }
        if [ "$1" = --dir ]; then dir=$2; else size=$2; fi
        shift 2
        ;;
    --remove) remove=1; shift ;;
    -h | --help) sed -n '4,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "emulate-pmem: unknown option '$1'" >&2; exit 2 ;;
    esac
done

say() { echo "emulate-pmem: $*" >&2; }

mount_options_of()
{
    awk -v dir="$1" '$2 == dir && $3 == "tmpfs" { options = $4 } END { if (options != "") print options }' /proc/mounts
}

if [ "$remove" -eq 1 ]; then
    if [ -z "$(mount_options_of "$dir")" ]; then
        say "$dir is not a mounted tmpfs"
        exit 1
    fi
    umount "$dir" && rmdir "$dir"
    exit 0
fi

# What the kernel says about huge pages in shared memory: always, within_size, advise, never, deny or force.
shmem_policy=$(sed -n 's/.*\[\(.*\)\].*/\1/p' /sys/kernel/mm/transparent_hugepage/shmem_enabled 2>/dev/null || true)

# Says which pages a tmpfs with these mount options gives.
report_pages()
{
    case "$1:$shmem_policy" in
    *:) say "this kernel has no huge pages for tmpfs: 4 KiB pages, random access is two to three times slower" ;;
    *:deny) say "the kernel denies huge pages for tmpfs (shmem_enabled is deny): 4 KiB pages, random access is two to three times slower" ;;
    *huge=always* | *:force) say "huge pages: yes (huge=always)" ;;
    *huge=within_size* | *huge=advise* | *:always | *:within_size | *:advise) say "huge pages: where the server asks for them" ;;
    *) say "no huge pages: 4 KiB pages, random access is two to three times slower" ;;
    esac
}

try_tmpfs()
{
    local options
    options=$(mount_options_of "$dir")
    if [ -z "$options" ]; then
        if [ "$(id -u)" -ne 0 ]; then
            say "not root: cannot mount a tmpfs with huge pages (once as root: $0)"
            return 1
        fi
        mkdir -p "$dir" 2>/dev/null || { say "cannot make $dir"; return 1; }
        if ! mount -t tmpfs -o "size=$size,mode=1777,huge=always" superdb-pmem "$dir" 2>/dev/null; then
            if ! mount -t tmpfs -o "size=$size,mode=1777" superdb-pmem "$dir" 2>/dev/null; then
                say "mounting a tmpfs is not allowed here (a container?)"
                rmdir "$dir" 2>/dev/null || true
                return 1
            fi
        fi
        options=$(mount_options_of "$dir")
        say "mounted a tmpfs at $dir ($options)"
    else
        say "using the tmpfs at $dir ($options)"
    fi
    if [ ! -w "$dir" ]; then
        say "$dir is not writable for this user"
        return 1
    fi
    report_pages "$options"
    say "survives a kill of the process; neither a reboot nor a power cut"
    echo "$dir"
}

try_shm()
{
    local free_kib path
    [ -d /dev/shm ] && [ -w /dev/shm ] || { say "/dev/shm is not writable"; return 1; }
    free_kib=$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')
    if [ "$free_kib" -lt $((1280 * 1024)) ]; then
        say "/dev/shm has only $((free_kib / 1024)) MiB free; a pool takes 1 GiB"
        return 1
    fi
    path=/dev/shm/superdb-$(id -u)
    mkdir -p -m 700 "$path"
    [ -O "$path" ] || { say "$path belongs to somebody else"; return 1; }
    say "using $path"
    report_pages "$(mount_options_of /dev/shm)"
    say "survives a kill of the process; neither a reboot nor a power cut"
    echo "$path"
}

try_disk()
{
    local path=${XDG_DATA_HOME:-${HOME:-/var/lib}/.local/share}/superdb
    mkdir -p -m 700 "$path"
    say "using $path, a plain directory: no huge pages, and the first touch of a page reads the disk"
    say "survives a kill of the process; a power cut only with --durability msync"
    echo "$path"
}

try_tmpfs || try_shm || try_disk

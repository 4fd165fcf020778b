#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# install-deps.sh [group...] - installs the Debian packages that are missing (scripts/packages.txt, groups build, test, lint)
#
# Touches nothing when all are there, so it needs no root and no network then. Services that packages bring (redis-server,
# memcached) are kept from starting by a policy-rc.d that lives only as long as this script, unless the machine has its own.
set -euo pipefail
cd "$(dirname "$0")/.."

groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=(build test lint)

# The packages of one group, one a line.
packages_of()
{
    sed -n "/^\[$1\]/,/^\[/{/^[a-z0-9]/s/[[:space:]].*//p}" scripts/packages.txt
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps: this is not a Debian system; install what scripts/packages.txt lists by other means" >&2
    exit 0
fi

missing=()
for group in "${groups[@]}"; do
    names=$(packages_of "$group")
    if [ -z "$names" ]; then
        echo "install-deps: no group '$group' in scripts/packages.txt" >&2
        exit 2
    fi
    for name in $names; do
        status=$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)
        [ "$status" = installed ] || missing+=("$name")
    done
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install-deps: missing: ${missing[*]}" >&2
        echo "install-deps: neither root nor sudo; have them installed with: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    sudo=(sudo)
fi

guard=/usr/sbin/policy-rc.d
guard_is_ours=0
remove_guard()
{
    if [ "$guard_is_ours" -eq 1 ]; then
        "${sudo[@]}" rm -f "$guard"
    fi
}
trap remove_guard EXIT
if [ ! -e "$guard" ] && [ -d /usr/sbin ]; then
    guard_is_ours=1
    printf '#!/bin/sh\n# Services stay stopped while SuperDB installs its dependencies.\nexit 101\n' |
        "${sudo[@]}" tee "$guard" >/dev/null
    "${sudo[@]}" chmod 755 "$guard"
fi

echo "install-deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt_install()
{
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
}
# The lists on the machine may be old or absent: try them first, and fetch new ones when that fails.
apt_install || { "${sudo[@]}" apt-get update -qq </dev/null && apt_install; }

#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run.sh BUILD_DIR CMAKE CC - installs a build to a prefix of its own, and builds and runs an application against it
#
# Four ways: find_package with the shared and the static library, pkg-config with the shared and the static library. The crash
# harness both ways, the client all four ways, beside the installed server.
set -euo pipefail
build=$1
cmake=$2
cc=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/superdb-consumer.XXXXXX")
server=
# shellcheck disable=SC2317 # the trap calls it
cleanup()
{
    [ -z "$server" ] || { kill "$server" && wait "$server"; } || true
    rm -rf "$work"
}
trap cleanup EXIT
prefix=$work/prefix

"$cmake" --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
libdir=$(dirname "$(find "$prefix" -name libsuperdb.so)")
for program in superdb-server superdb-pool; do
    "$prefix/bin/$program" --version
done

# Runs a program on a new pool; the shared library is found in the prefix, and only there.
run()
{
    echo "== $1"
    LD_LIBRARY_PATH=$libdir "$work/$1" "$work/$(basename "$1").sdb"
    rm -f "$work/$(basename "$1").sdb"
}

"$cmake" -G Ninja -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_C_STANDARD=11 -DCMAKE_C_EXTENSIONS=OFF -DCMAKE_C_FLAGS="-Wall -Wextra -Wpedantic -Werror" >"$work/cmake.log" ||
    { cat "$work/cmake.log"; exit 1; }
"$cmake" --build "$work/cmake" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
run cmake/consumer_shared
run cmake/consumer_static
"$work/cmake/consumer_crash"

# The prefix may move: superdb.pc speaks of its own place.
export PKG_CONFIG_PATH=$libdir/pkgconfig
strict="-std=c11 -Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086
{
    "$cc" $strict $(pkg-config --cflags superdb) "$here/main.c" -o "$work/pkg_shared" $(pkg-config --libs superdb)
    "$cc" $strict $(pkg-config --cflags superdb) "$here/main.c" -o "$work/pkg_static" \
        "$libdir/libsuperdb.a" $(pkg-config --libs --static superdb | sed 's/-lsuperdb//')
}
# shellcheck disable=SC2046,SC2086
"$cc" $strict $(pkg-config --cflags superdb_crashtest) "$here/crash.c" -o "$work/pkg_crash" $(pkg-config --libs superdb_crashtest)
"$work/pkg_crash"
run pkg_shared
run pkg_static
# Not in a pipe to grep -q, which may end before ldd has written all.
shared=$(ldd "$work/pkg_shared")
static=$(ldd "$work/pkg_static")
if [[ $static == *libsuperdb* || $shared != *libsuperdb* ]]; then
    echo "one of the programs is linked with the wrong library"
    exit 1
fi

# The client.
# shellcheck disable=SC2046,SC2086
{
    "$cc" $strict $(pkg-config --cflags superdb_client) "$here/client.c" -o "$work/pkg_client" $(pkg-config --libs superdb_client)
    "$cc" $strict $(pkg-config --cflags superdb_client) "$here/client.c" -o "$work/pkg_client_static" \
        "$libdir/libsuperdb_client.a" $(pkg-config --libs --static superdb_client | sed 's/-lsuperdb_client//')
}
"$prefix/bin/superdb-server" --pool "$work/client.sdb" --pool-size 64mb --port 0 --unixsocket "$work/socket" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 400); do
    ! grep -q 'Ready to accept' "$work/server.log" || break
    kill -0 "$server" || { cat "$work/server.log"; exit 1; }
    sleep 0.05
done
expected=1
for program in cmake/consumer_client cmake/consumer_client_static pkg_client pkg_client_static; do
    echo "== $program"
    answer=$(LD_LIBRARY_PATH=$libdir "$work/$program" "$work/socket")
    [ "$answer" = "$expected" ] || { echo "it says $answer, not $expected"; cat "$work/server.log"; exit 1; }
    expected=$((expected + 1))
    # It stands by itself: nothing of the engine's.
    needed=$(LD_LIBRARY_PATH=$libdir ldd "$work/$program")
    ! grep -qE 'libsuperdb\.so|libpmem' <<<"$needed"
    case $program in
    *_static) ! grep -q libsuperdb_client <<<"$needed" ;;
    *) grep -q libsuperdb_client <<<"$needed" ;;
    esac
done

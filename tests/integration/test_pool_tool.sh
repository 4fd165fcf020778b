#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# test_pool_tool.sh - superdb-pool from the outside: what it prints, what it leaves, and its exit status
#
# Environment: SUPERDB_POOL and SUPERDB_SERVER name the programs, SUPERDB_TEST_DIR where pools are made (/dev/shm else).
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
tool=${SUPERDB_POOL:-$root/build/superdb-pool}
server=${SUPERDB_SERVER:-$root/build/superdb-server}
base=${SUPERDB_TEST_DIR:-/dev/shm}
[ -d "$base" ] || base=/tmp
directory=$(mktemp -d "$base/superdb-pool-tool-XXXXXX")
server_pid=

cleanup()
{
    [ -n "$server_pid" ] && kill -9 "$server_pid" 2>/dev/null && wait "$server_pid" 2>/dev/null
    rm -rf "$directory"
}
trap cleanup EXIT

fail()
{
    echo "FAILED: $*" >&2
    [ -f "$directory/out" ] && sed 's/^/  out: /' "$directory/out" | head -20 >&2
    [ -f "$directory/err" ] && sed 's/^/  err: /' "$directory/err" | head -20 >&2
    [ -f "$directory/server.log" ] && tail -5 "$directory/server.log" | sed 's/^/  server: /' >&2
    exit 1
}

# expect STATUS COMMAND...: runs the tool, output in $directory/out and err
expect()
{
    local wanted=$1 status=0
    shift
    "$tool" "$@" >"$directory/out" 2>"$directory/err" || status=$?
    [ "$status" -eq "$wanted" ] || fail "superdb-pool $*: exit status $status, expected $wanted"
}

out_has()
{
    grep -qF -- "$1" "$directory/out" || fail "the output lacks: $1"
}

err_has()
{
    grep -qF -- "$1" "$directory/err" || fail "standard error lacks: $1"
}

# start_server POOL: serves on the unix socket $directory/socket
start_server()
{
    rm -f "$directory/socket"
    "$server" --pool "$1" --unixsocket "$directory/socket" --port 0 --threads 1 >"$directory/server.log" 2>&1 &
    server_pid=$!
    for _ in $(seq 200); do
        [ "$(cli PING 2>/dev/null)" = PONG ] && return
        kill -0 "$server_pid" 2>/dev/null || fail "the server ended"
        sleep 0.05
    done
    fail "the server does not answer"
}

stop_server()
{
    kill -"$1" "$server_pid"
    wait "$server_pid" 2>/dev/null
    server_pid=
}

cli()
{
    redis-cli -s "$directory/socket" "$@"
}

pool=$directory/shop.sdb

# ---- usage
expect 0 --help
out_has "usage: superdb-pool create PATH"
expect 0 --version
out_has "superdb-pool 0."
expect 2
expect 2 frobnicate
err_has "unknown command: frobnicate"
expect 2 create
err_has "a PATH is missing"
expect 2 create "$pool" --size 12q
err_has "invalid value for --size: 12q"
expect 2 create "$pool" --size 99999999tb
expect 2 create "$pool" --shards 3
expect 2 create "$pool" --durability eternal
expect 2 check "$pool" extra
err_has "one argument too many: extra"
expect 2 dump "$pool" --format xml
expect 2 dump "$pool" --database 16
expect 2 resize "$pool"
err_has "a SIZE is missing"
expect 2 check "$pool"
err_has "$pool"
[ -e "$pool" ] && fail "a wrong call made a pool"

# ---- create, info, check of an empty pool
expect 0 create "$pool" --size 32mb --max-size 128mb --shards 2 --durability process
out_has "32.00 MiB, growing to 128.00 MiB, 2 shards, durability process"
expect 2 create "$pool"
err_has "exists already"
expect 0 info "$pool"
out_has "33554432 (32.00 MiB)"
grep -qE '^shards +2$' "$directory/out" || fail "info: shards"
grep -qE '^clean +yes$' "$directory/out" || fail "info: clean"
expect 0 check "$pool"
out_has "clean: 0 problems, 0 keys"
expect 0 dump "$pool"
[ -s "$directory/out" ] && fail "an empty pool's dump is not empty"

# ---- a pool with keys
start_server "$pool"
{
    cli SET plain value
    cli SET number 12345
    cli SET 'quo"te\' $'line\nbreak\ttab'
    cli SET empty ""
    cli SET later gone PXAT 4102444800000
    cli -n 3 SET elsewhere there
    head -c 100000 /dev/zero | tr '\0' 'x' | cli -x SET large
    head -c 300 /dev/urandom | cli -x SET binary
} >/dev/null || fail "writing keys"
for i in $(seq 2000); do echo "SET key:$i value:$i"; done | cli >/dev/null || fail "writing many keys"
expect 2 check "$pool"
err_has "process $server_pid"
expect 2 resize "$pool" 64mb
stop_server TERM

expect 0 check "$pool"
out_has "clean: 0 problems, 2008 keys"
expect 0 check "$pool" --quiet
[ -s "$directory/out" ] && fail "check --quiet prints"
expect 0 info "$pool"
grep -qE '^db0 +keys=2007,expires=1$' "$directory/out" || fail "info: db0"
grep -qE '^db3 +keys=1,expires=0$' "$directory/out" || fail "info: db3"

# ---- dump as text
expect 0 dump "$pool"
[ "$(wc -l <"$directory/out")" -eq 2008 ] || fail "the dump has not a line a key"
out_has '0 "plain" "value" 0'
out_has '0 "number" "12345" 0'
out_has '0 "quo\"te\\" "line\nbreak\ttab" 0'
out_has '0 "empty" "" 0'
out_has '0 "later" "gone" 4102444800000'
out_has '3 "elsewhere" "there" 0'
out_has '0 "key:2000" "value:2000" 0'
sort "$directory/out" >"$directory/dump"
expect 0 dump "$pool" --database 3
[ "$(cat "$directory/out")" = '3 "elsewhere" "there" 0' ] || fail "dump --database 3"
if [ -w /dev/full ]; then
    "$tool" dump "$pool" >/dev/full 2>/dev/null && fail "a dump that could not be written succeeds"
fi

# ---- dump as commands, loaded into another pool
expect 0 dump "$pool" --format resp
mv "$directory/out" "$directory/commands"
expect 0 create "$directory/copy.sdb" --size 32mb --shards 1
start_server "$directory/copy.sdb"
cli --pipe <"$directory/commands" >"$directory/out" 2>&1 || fail "redis-cli --pipe"
out_has "errors: 0"
stop_server TERM
expect 0 check "$directory/copy.sdb"
expect 0 dump "$directory/copy.sdb"
sort "$directory/out" | cmp -s - "$directory/dump" || fail "the copy differs"

# ---- repair: a dry run says what is lost and stores nothing; the repair drops that key alone
cp "$directory/copy.sdb" "$directory/damaged.sdb"
at=$(grep -abo 'value:2000' "$directory/damaged.sdb" | tail -1 | cut -d: -f1)
printf 'X' | dd of="$directory/damaged.sdb" bs=1 seek="$at" conv=notrunc 2>/dev/null
cp "$directory/damaged.sdb" "$directory/before.sdb"
expect 1 check "$directory/damaged.sdb"
expect 1 check "$directory/damaged.sdb" --dry-run
out_has 'LOST: an entry is damaged: its check bits are wrong: key "key:2000" of database 0'
out_has "would be repaired"
cmp -s "$directory/damaged.sdb" "$directory/before.sdb" || fail "a dry run stored something"
expect 0 check "$directory/damaged.sdb" --repair
out_has 'LOST: an entry is damaged: its check bits are wrong: key "key:2000" of database 0'
out_has "2007 keys kept, 1 lost by name, 0 lost without"
expect 0 check "$directory/damaged.sdb"
expect 0 check "$directory/damaged.sdb" --repair
out_has "nothing to repair"
expect 0 dump "$directory/damaged.sdb"
[ "$(sort "$directory/out" | comm -3 - "$directory/dump" | wc -l)" -eq 1 ] || fail "the repair lost more than a key"
rm -f "$directory/damaged.sdb" "$directory/before.sdb"

# ---- import: what dump wrote, in both formats, gives an equal dump
expect 2 import
expect 2 import "$directory/absent.sdb" "$directory/dump"
expect 0 create "$directory/text.sdb" --size 32mb --shards 4
expect 2 import "$directory/text.sdb" "$directory/absent"
err_has "absent: No such file"
expect 0 import "$directory/text.sdb" "$directory/dump"
out_has "2008 keys imported, 0 had expired"
expect 0 create "$directory/resp.sdb" --size 32mb --shards 1
"$tool" dump "$pool" --format resp | "$tool" import "$directory/resp.sdb" - --quiet >"$directory/out" 2>"$directory/err" ||
    fail "import from a pipe"
[ -s "$directory/out" ] && fail "import --quiet prints"
for copy in text resp; do
    expect 0 check "$directory/$copy.sdb"
    expect 0 dump "$directory/$copy.sdb"
    sort "$directory/out" | cmp -s - "$directory/dump" || fail "the copy of $copy differs"
done
expect 0 import "$directory/text.sdb" "$directory/dump"
expect 0 check "$directory/text.sdb"
out_has "2008 keys"
printf '0 "old" "gone" 1000\n5 "new" "v" 0' >"$directory/lines"
expect 0 import "$directory/text.sdb" "$directory/lines"
out_has "1 keys imported, 1 had expired"
expect 0 dump "$directory/text.sdb" --database 5
[ "$(cat "$directory/out")" = '5 "new" "v" 0' ] || fail "a last line without its end"

# ---- collections of every type, small and large, in both formats
{
    printf '0 "small" delete\n0 "small" hash "name" "Ada"\n0 "small" hash "\\x00" ""\n0 "small" expire 4000000000000\n'
    printf '0 "old" delete\n0 "old" set "m"\n0 "old" expire 5\n'
    printf '3 "scores" delete\n3 "scores" zset "low" "-inf"\n3 "scores" zset "one" "1.5"\n3 "few" delete\n3 "few" list "x"\n3 "few" list ""\n3 "few" list "x"\n'
    for type in hash list set zset; do
        printf '1 "%s" delete\n' $type
        for i in $(seq 1000 1700); do
            case $type in
                hash) printf '1 "hash" hash "f%d" "v"\n' $i ;;
                zset) printf '1 "zset" zset "m%d" "%d"\n' $i $((i * 3)) ;;
                *) printf '1 "%s" %s "e%d"\n' $type $type $i ;;
            esac
        done
    done
} >"$directory/collections"
grep -v '"old"' "$directory/collections" | sort >"$directory/sorted"
expect 0 create "$directory/types.sdb" --size 32mb
expect 0 import "$directory/types.sdb" "$directory/collections"
out_has "7 keys imported, 1 had expired"
"$tool" dump "$directory/types.sdb" --format resp >"$directory/commands"
expect 0 create "$directory/types2.sdb" --size 32mb
expect 0 import "$directory/types2.sdb" "$directory/commands"
expect 0 import "$directory/types2.sdb" "$directory/commands"
for copy in types types2; do
    expect 0 check "$directory/$copy.sdb"
    expect 0 dump "$directory/$copy.sdb"
    sort "$directory/out" | cmp -s - "$directory/sorted" || fail "the collections of $copy differ"
    for ordered in '1 "list" list' '1 "zset" zset' '3 "few" list' '3 "scores" zset'; do
        [ "$(grep -F "$ordered" "$directory/out")" = "$(grep -F "$ordered" "$directory/collections")" ] || fail "the order of $ordered"
    done
done
rm -f "$directory/types.sdb" "$directory/types2.sdb"

# ---- streams with their groups; commands do not tell of what is pending of entries that are gone, and of when consumers were seen
{
    printf '0 "s" delete\n'
    for i in $(seq 1 400); do
        printf '0 "s" stream entry "%d-%d" "f" "value %d" "" "\\x00"\n' $((i / 3 + 1)) $((i % 3)) $i
    done
    printf '0 "s" stream group "g" "90-0" "5"\n'
    for consumer in a b; do
        printf '0 "s" stream consumer "g" "%s" "1234"\n' $consumer
        for i in $(seq 1 60); do
            [ $((i % 2)) = 0 ] || [ $consumer = b ] || printf '0 "s" stream pending "g" "a" "%d-1" "77%d" "%d"\n' $i $i $i
        done
    done
    printf '0 "s" stream pending "g" "b" "200-0" "5" "18446744073709551615"\n0 "s" stream group "\\xff" "7-1" "-1"\n0 "s" stream ids "18446744073709551615-0" "500-3" "9999"\n'
    printf '0 "s" expire 4000000000000\n2 "e" delete\n2 "e" stream empty\n2 "e" stream ids "0-0" "0-0" "0"\n'
} >"$directory/streams"
grep -v '"200-0"' "$directory/streams" | sed 's/ "1234"$//' >"$directory/told"
expect 0 create "$directory/streams.sdb" --size 32mb
expect 0 import "$directory/streams.sdb" "$directory/streams"
expect 0 import "$directory/streams.sdb" "$directory/streams"
out_has "2 keys imported, 0 had expired"
expect 0 check "$directory/streams.sdb"
"$tool" dump "$directory/streams.sdb" --format resp >"$directory/commands"
expect 0 dump "$directory/streams.sdb"
cmp -s "$directory/out" "$directory/streams" || fail "the streams differ"
expect 0 create "$directory/streams2.sdb" --size 32mb
expect 0 import "$directory/streams2.sdb" "$directory/commands"
expect 0 check "$directory/streams2.sdb"
expect 0 dump "$directory/streams2.sdb"
sed -E 's/(stream consumer .*) "[0-9]+"$/\1/' "$directory/out" | cmp -s - "$directory/told" || fail "the streams that came as commands differ"
rm -f "$directory/streams.sdb" "$directory/streams2.sdb"

# ---- libraries of functions, in both formats; one of its name goes, others stay
expect 0 create "$directory/functions.sdb" --size 32mb
start_server "$directory/functions.sdb"
{
    cli FUNCTION LOAD $'#!lua name=one\nredis.register_function("first", function() return "quo\\"te\\n" end)'
    cli FUNCTION LOAD $'#!lua "name=two"\n-- \xff\001\nredis.register_function("second", function(keys) return redis.call("get", keys[1]) end)'
    cli SET plain value
    cli FUNCTION LIST WITHCODE >"$directory/list"
} >/dev/null || fail "loading functions"
stop_server TERM
expect 0 dump "$directory/functions.sdb" --database 0
[ "$(cat "$directory/out")" = '0 "plain" "value" 0' ] || fail "the functions are of no database"
expect 0 dump "$directory/functions.sdb"
out_has 'library "#!lua name=one\nredis.register_function(\"first\"'
cp "$directory/out" "$directory/functions"
expect 0 dump "$directory/functions.sdb" --format resp
cp "$directory/out" "$directory/commands"
for format in functions commands; do
    printf 'library "#!lua name=two\\n-- of the past"\nlibrary "#!lua name=more\\nredis.register_function(\x27more\x27, function() return 7 end)"' >"$directory/lines"
    expect 0 create "$directory/$format-copy.sdb" --size 32mb
    expect 0 import "$directory/$format-copy.sdb" "$directory/lines"
    out_has "0 keys imported, 0 had expired; 2 libraries of functions"
    expect 0 import "$directory/$format-copy.sdb" "$directory/$format"
    out_has "1 keys imported, 0 had expired; 2 libraries of functions"
    expect 0 check "$directory/$format-copy.sdb"
    expect 0 dump "$directory/$format-copy.sdb"
    grep -v name=more "$directory/out" | cmp -s - "$directory/functions" || fail "the dump of the copy by $format differs"
    start_server "$directory/$format-copy.sdb"
    [ "$(cli FCALL first 0)" = 'quo"te' ] || fail "FCALL first of $format"
    [ "$(cli FCALL second 1 plain)" = value ] || fail "FCALL second of $format"
    [ "$(cli FCALL more 0)" = 7 ] || fail "FCALL more of $format"
    cli FUNCTION DELETE more >/dev/null
    cli FUNCTION LIST WITHCODE | cmp -s - "$directory/list" || fail "the functions of $format differ"
    cli FUNCTION LOAD $'#!lua name=next\nredis.register_function("next", function() end)' >/dev/null || fail "a change after $format"
    stop_server TERM
    grep -q "cannot be loaded" "$directory/server.log" && fail "a library of $format was left out"
done
start_server "$directory/functions.sdb"
cli --pipe <"$directory/commands" >"$directory/out" 2>&1 || fail "redis-cli --pipe of functions"
out_has "errors: 0"
stop_server TERM
rm -f "$directory"/functions*.sdb "$directory"/commands-copy.sdb

# ---- import: what is wrong with the input is told with its place, and whole batches are written
refuse()
{
    printf "$1" >"$directory/wrong"
    expect 2 import "$directory/resp.sdb" "$directory/wrong"
    err_has "$2"
}
refuse '0 "s" stream entry "1-0" "f" "v"\n0 "s" stream entry "1" "f" "v"\n' "wrong: line 2, byte 33: the words of a stream's entry make no sense"
refuse '0 "s" stream entry "1-0" "f"\n' "wrong: line 1, byte 0: the words of a stream's entry make no sense"
refuse '0 "s" stream more\n' 'wrong: line 1, byte 0: a part of a stream is expected at byte 13'
refuse '0 "a" "b" 0\n\n0 "k" "v" x\n' 'wrong: line 3, byte 13: a number is expected at byte 23'
err_has ': 0 keys were imported before'
refuse 'library "#!lua name=one\\n"\nlibrary "return 1"\n' 'line 2, byte 27: no library: Missing library metadata'
refuse 'library "#!lua name=a.b\\n"\n' 'no library: Library names can only contain'
refuse 'libraries "a"\n' 'line 1, byte 0: a number is expected at byte 0'
refuse '*4\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$7\r\nREPLACE\r\n$1\r\nx\r\n' 'no library: Missing library metadata'
refuse '16 "k" "v" 0\n' 'line 1, byte 0: there is no database 16'
refuse '0 "k" "\\q" 0\n' 'an unknown escape'
refuse '0 "k" "v' 'the input ends in the middle of a key'
refuse '0 "k" "v" -1\n' 'a negative time to live'
refuse '0 "k" "\001" 0\n' 'a byte 0x01 that is not escaped'
refuse '*1\r\n$8\r\nFLUSHALL\r\n' 'a command that dump does not write'
refuse '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$600000000\r\n' 'an argument of 600000000 bytes'
refuse '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nvv\r\n' 'a line end is expected'
refuse '*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nEX\r\n$1\r\n5\r\n' 'SET takes PXAT'
expect 0 dump "$directory/resp.sdb"
sort "$directory/out" | cmp -s - "$directory/dump" || fail "an import that failed in its first batch wrote something"
{
    for i in $(seq 1500); do echo "7 \"batch:$i\" \"v\" 0"; done
    echo 'nonsense'
} >"$directory/wrong"
expect 2 import "$directory/resp.sdb" "$directory/wrong"
err_has "wrong: line 1501, byte"
err_has "1024 keys were imported before"
expect 0 dump "$directory/resp.sdb" --database 7
[ "$(wc -l <"$directory/out")" -eq 1024 ] || fail "not a whole number of batches"
expect 0 create "$directory/small.sdb" --size 16mb --max-size 16mb --shards 1
head -c 9000000 /dev/zero | tr '\0' 'x' >"$directory/x"
{ for i in 1 2 3; do printf '0 "big:%s" "' "$i"; cat "$directory/x"; echo '" 0'; done; } >"$directory/wrong"
expect 2 import "$directory/small.sdb" "$directory/wrong"
err_has "the pool is full"
err_has "keys were imported before"
expect 0 check "$directory/small.sdb"

# ---- after a kill: check recovers first
start_server "$pool"
cli SET survivor yes >/dev/null
stop_server KILL
expect 0 check "$pool"
out_has "was not closed"
out_has "clean: 0 problems, 2009 keys"
expect 0 check "$pool"
grep -q "was not closed" "$directory/out" && fail "recovered twice"
expect 0 dump "$pool"
out_has '0 "survivor" "yes" 0'

# ---- resize
expect 0 resize "$pool" 64mb
out_has "64.00 MiB"
[ "$(stat -c %s "$pool")" -eq $((64 << 20)) ] || fail "resize: the file's size"
expect 2 resize "$pool" 32mb
expect 2 resize "$pool" 256mb
expect 0 check "$pool"
out_has "2009 keys"

# ---- damage: one byte of an inline value
cp "$pool" "$directory/damaged.sdb"
at=$(grep -abo -m1 'survivor' "$directory/damaged.sdb" | tail -1 | cut -d: -f1)
[ -n "$at" ] || fail "the key is not in the pool"
for at in $(grep -abo 'survivor' "$directory/damaged.sdb" | cut -d: -f1); do
    printf 'S' | dd of="$directory/damaged.sdb" bs=1 seek="$at" conv=notrunc status=none
done
expect 1 check "$directory/damaged.sdb"
out_has "entry: the check bits are wrong"
out_has "DAMAGED"
grep -qE "offset [0-9]+: " "$directory/out" || fail "check names no offset"
expect 1 check "$directory/damaged.sdb" --quiet
[ -s "$directory/out" ] && fail "check --quiet prints"
expect 1 dump "$directory/damaged.sdb"
out_has '0 "plain" "value" 0'
[ "$(wc -l <"$directory/out")" -eq 2008 ] || fail "damage to one entry costs other keys"
[ -s "$directory/err" ] || fail "the dump does not tell about the damage"

# ---- files that are no pools
cp "$pool" "$directory/short.sdb"
truncate -s 20M "$directory/short.sdb"
expect 1 check "$directory/short.sdb"
err_has "short.sdb"
head -c 20971520 /dev/urandom >"$directory/foreign.sdb"
expect 2 check "$directory/foreign.sdb"
expect 2 check "$directory"
expect 2 check "$directory/absent.sdb"
echo "all good"

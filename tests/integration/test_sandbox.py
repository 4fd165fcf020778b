# SPDX-License-Identifier: BSD-3-Clause
"""
test_sandbox.py - scripts that mean harm: whatever they call the library functions with, the server lives, and the next script runs

Where redis-server survives it too, its reply stands here; cases/scripts.txt compares what both answer.
"""
from harness import Failures, Superdb, encode

CODE_OF_A_FUNCTION = "string.dump(function() return 1 end)"
READER = "load, function() n = n + 1 {} collectgarbage() collectgarbage() return nil end"
# A script, and what its reply has to hold.
HOSTILE = [
    ("return bit.tohex(1, -2147483648)", b"00000001"),
    ("return bit.tohex(255, 2147483648)", b"000000FF"),
    ("return bit.tohex(255, -2147483648 + 2^40)", b"000000FF"),
    ("return {pcall(unpack, {}, -2147483648, 2147483647)}", b"too many results to unpack"),
    ("return {pcall(unpack, {}, 0, 2147483647)}", b"too many results to unpack"),
    ("return {pcall(unpack, {}, -1, 2147483646)}", b"too many results to unpack"),
    ("return {pcall(unpack, {}, -2147483648, -1)}", b"too many results to unpack"),
    ("return {pcall(unpack, {}, 1, 8000)}", b"too many results to unpack"),
    ("return select('#', unpack({}, 2147483640, 2147483647))", b":8\r\n"),
    ("return select('#', unpack({}, -2147483648, -2147483641))", b":8\r\n"),
    ("return select('#', unpack({}, 2, 1))", b":0\r\n"),
    # The compiler asks for more where nothing was given, and the chunk's name must be there still.
    ("local n = 0 return {pcall(" + READER.format("if n == 2 then collectgarbage() collectgarbage() return ')' end") +
     ", 'uniq' .. string.rep('z', 30) .. '\\0x')}", b"*2\r\n:1\r\n$-1\r\n"),
    ("local n = 0 return {pcall(" + READER.format("") + ")}", b"*2\r\n:1\r\n"),
    ("local n = 0 load(function() n = n + 1 return nil end) return n", b":1\r\n"),
    ("local n = 0 load(function() n = n + 1 return n == 1 and 'return 1' or '' end) return n", b":2\r\n"),
    ("local n = 0 return load(function() n = n + 1 return ({'ret', 'urn ', '7'})[n] end)()", b":7\r\n"),
    ("return select(2, load(function() return {} end, 'x\\0y'))", b"reader function must return a string"),
    ("return select(2, load(function() error('stopped') end))", b"stopped"),
    # Compiled code is never taken.
    (f"return select(2, loadstring({CODE_OF_A_FUNCTION}))", b"unexpected symbol"),
    (f"local n, s = 0, {CODE_OF_A_FUNCTION} return select(2, load(function() n = n + 1 if n == 1 then return s end end))", b"unexpected symbol"),
    (f"local n, s = 0, {CODE_OF_A_FUNCTION} return select(2, load(function() n = n + 1 local c = s:sub(n, n) if c ~= '' then return c end end))",
     b"unexpected symbol"),
    ("\x1bLua", b"unexpected symbol"),
    ("return #string.rep('', 2147483647)", b":0\r\n"),
    ("return #string.rep('x', -1)", b":0\r\n"),
    ("return {pcall(string.rep, 'x', 2147483647)}", b"not enough memory"),
    ("return {pcall(string.rep, string.rep('x', 65536), 65536)}", b"not enough memory"),
    ("local t = {} t[1] = t return t", b"reached lua stack limit"),
    ("local function f() return f() + 1 end return f()", b"stack overflow"),
    ("local function f() return coroutine.wrap(f)() end return f()", b"C stack overflow"),
    ("local function f() return coroutine.resume(coroutine.create(f)) end return {f()}", b"C stack overflow"),
    ("local function f() return pcall(f) end return {f()}", b"C stack overflow"),
    ("local function f(x) return string.gsub('a', 'a', f) end return {f()}", b"C stack overflow"),
    ("local function f() return load(f) end return type(f())", b"$"),
    ("return select(2, loadstring(string.rep('(', 100000)))", b"too many"),
    ("return select(2, loadstring('return ' .. string.rep('{', 100000)))", b"too many"),
    ("return select(2, loadstring('local ' .. string.rep('a,', 300) .. 'a'))", b"more than 200 local variables"),
    ("return #loadstring('return {' .. string.rep('1,', 100000) .. '}')()", b":100000\r\n"),
    ("local function f(" + ",".join(f"a{i}" for i in range(199)) + ", ...) return select('#', ...) end return f(unpack({}, 1, 7000))",
     b":6801\r\n"),
    ("local t = {} for i = 1, 500 do t[i] = i % 7 end return {pcall(table.sort, t, function() return true end)}", b"invalid order function"),
    ("local t = {} for i = 1, 500 do t[i] = i end return {pcall(table.sort, t, function(a, b) t[a] = nil return a < b end)}", b"*"),
    ("return {pcall(string.format, '%' .. string.rep('9', 50) .. 'd', 1)}", b"invalid format"),
    ("return #string.format('%99.99f', 1e308)", b":409\r\n"),
    ("return {pcall(table.concat, {}, 'x', 1, 2147483647)}", b"invalid value"),
    ("return {pcall(struct.unpack, 'I2', 'ab', -5)}", b"data string too short"),
    ("return {pcall(struct.unpack, 'I2', 'ab', -2^63)}", b"data string too short"),
    ("return {pcall(struct.unpack, 'c2147483647', 'ab', 2)}", b"data string too short"),
    ("return {pcall(struct.size, string.rep('c2147483647', 3))}", b"too large"),
    ("return {pcall(struct.pack, 'c0', 0/0)}", b"nan"),
    ("return struct.pack('>I8', -1e300) .. struct.pack('>I8', 1e300) .. struct.pack('>I8', 0/0 * 0)",
     b"\x80" + bytes(15) + b"\x80"),
    ("local t = {} for i = 1, 5000 do t = {t} end return #cmsgpack.pack(t)", b":17\r\n"),
    ("return {pcall(cmsgpack.unpack, string.rep('\\145', 100000))}", b"*"),
    ("return {pcall(cmsgpack.unpack, '\\221\\255\\255\\255\\255')}", b"Missing bytes"),
    ("return {pcall(cmsgpack.unpack, string.rep('\\1', 100000))}", b"too many return values"),
    ("return {pcall(string.find, string.rep('a', 100000), string.rep('a?', 100000))}", b"pattern too complex"),
    ("return {pcall(error, 'x', -2147483648)}", b"x"),
    ("return {pcall(setmetatable, _G, {})}", b"readonly"),
    ("getmetatable(_G).__index = nil", b"readonly"),
    ("getmetatable(_G).__index(_G, 'there')", b"nonexistent global variable 'there'"),
    ("return type(getmetatable(redis))", b"nil"),
]


def hostile_scripts_are_survived(failures):
    with Superdb(("--lua-memory-limit", "64mb"), threads=1).start() as server:
        with server.connect(timeout=60) as connection:
            for script, wanted in HOSTILE:
                reply = bytes(connection.command("EVAL", script.encode("latin-1"), "0"))
                failures.check(wanted in reply, f"{script[:100]}", reply[:200])
                failures.check(connection.call("EVAL", "return 7", "0") == 7, f"a script runs behind {script[:100]}")


# cjson's buffer runs over at 2 GB: each of these would be larger. The last ones fit, and have an end before it.
JSON = [
    ("local s, t = string.rep('\1', 100000), {} for i = 1, 4000 do t[i] = s end return cjson.encode(t)", b"not enough memory"),
    ("local s, t = string.rep('\1', 100000), {} for i = 1, 4000 do t['k' .. i] = s end return cjson.encode(t)", b"not enough memory"),
    ("local t = {1} for i = 1, 60 do t = {t, t} end return cjson.encode(t)", b"not enough memory"),
    ("local t = {a = 1} for i = 1, 60 do t = {a = t, b = t} end return cjson.new().encode(t)", b"not enough memory"),
    ("cjson.encode_sparse_array(true, 0, 0) return cjson.encode({[2147483647] = 1})", b"not enough memory"),
    ("cjson.encode_sparse_array(true, 2, 10) return cjson.encode({[2147483647] = 1})", b'{"2147483647":1}'),
    ("cjson.encode_sparse_array(false, 2, 10) return cjson.encode({[2147483647] = 1})", b"excessively sparse array"),
    ("cjson.encode_sparse_array(true, 0, 0) return cjson.encode({[5] = 1})", b"[null,null,null,null,1]"),
    ("cjson.encode_sparse_array(false, 2, 10) return cjson.encode({[2^40] = 1})", b'"1099511627776":1'),
    ("local t = {} t[1] = t t[2] = t return cjson.encode(t)", b"excessive nesting"),
    ("cjson.encode_max_depth(2147483647) local t = {} t[1] = t t[2] = t return cjson.encode(t)", b"excessive nesting"),
    ("local t = {} t.a = t t.b = t return cjson.encode(t)", b"excessive nesting"),
    ("cjson.encode_max_depth(1000) cjson.decode_max_depth(2147483647) return cjson.decode(string.rep('[', 100000))", b"nested data structures"),
    ("return cjson.new().encode({1, {a = 'b'}, cjson.null})", b'[1,{"a":"b"},null]'),
    ("return #cjson.encode(string.rep('x', 1000000))", b":1000002\r\n"),
    ("return cjson.encode()", b"expected 1 argument"),
    ("return cjson.encode(function() end)", b"Cannot serialise function"),
    ("return cjson.encode({[{}] = 1})", b"table key must be a number or string"),
]


def json_has_an_end(failures):
    with Superdb(("--lua-memory-limit", "16mb"), threads=1).start() as server:
        with server.connect(timeout=60) as connection:
            for script, wanted in JSON:
                reply = bytes(connection.command("EVAL", script, "0"))
                failures.check(wanted in reply, f"{script[:100]}", reply[:200])
                failures.check(connection.call("EVAL", "return 7", "0") == 7, f"a script runs behind {script[:100]}")


def a_reply_without_end_is_an_error(failures):
    with Superdb(("--lua-memory-limit", "2mb"), threads=1).start() as server:
        for protocol in (2, 3):
            with server.connect(protocol=protocol, timeout=60) as connection:
                for inner in ("{t, t}", "{map = {a = t, b = t}}", "{set = {[t] = true}, t, map = {[{t}] = t}}"):
                    reply = connection.command("EVAL", f"local t = {{}} for i = 1, 60 do t = {inner} end return t", "0")
                    failures.check(b"larger than lua-memory-limit" in reply, f"a reply of {inner} without end", reply[:200])
                    failures.check(connection.call("EVAL", "return 7", "0") == 7, "the next script runs")


def the_collector_is_every_scripts_own(failures):
    with Superdb(("--lua-memory-limit", "4mb"), threads=1).start() as server:
        with server.connect(timeout=60) as connection:
            for harm in ("collectgarbage('setpause', 1000000000)", "collectgarbage('setpause', -1)", "collectgarbage('setstepmul', 1)",
                         "collectgarbage('stop')"):
                connection.command("EVAL", harm, "0")
                for _ in range(2):
                    reply = connection.call("EVAL", "for i = 1, 12000 do local s = string.rep('x', 1000) .. i end return 7", "0")
                    failures.check(reply == 7, f"garbage is collected behind {harm}: {reply}")


def wait_until_busy(other):
    """Until the script has been running too long. Bounded by the connection's own time limit."""
    while not bytes(other.command("PING")).startswith(b"-BUSY"):
        pass


LIBRARY = """#!lua name=kept
local kept
local function work() while true do end end
redis.register_function('make', function() kept = coroutine.create(work) return 1 end)
redis.register_function('resume', function() return {coroutine.resume(kept)} end)
redis.register_function('wrapped', function() while true do pcall(coroutine.wrap(work)) end end)"""
ENDLESS = [("EVAL", "while true do coroutine.resume(coroutine.create(function() while true do end end)) end"),
           ("EVAL", "while true do pcall(coroutine.wrap(function() while true do end end)) end"),
           ("EVAL", "while true do coroutine.wrap(function() for i = 1, 50000 do end end)() end"),
           ("EVAL", "xpcall(function() while true do end end, function() while true do end end)"),
           ("FCALL", "resume"), ("FCALL", "wrapped")]


def coroutines_are_ended(failures):
    with Superdb(("--busy-reply-threshold", "50"), threads=2).start() as server:
        for command, text in ENDLESS:
            one, other = server.connect(timeout=60), server.connect(timeout=60)
            failures.check(other.call("FUNCTION", "LOAD", "REPLACE", LIBRARY) == b"kept", "a library is loaded")
            failures.check(one.call("FCALL", "make", "0") == 1, "a coroutine is made for later")
            one.send(encode(command, text, "0"))
            wait_until_busy(other)
            container = "SCRIPT" if command == "EVAL" else "FUNCTION"
            failures.check(other.command(container, "KILL") == b"+OK\r\n", f"{text} is ended")
            failures.check(b"killed by user" in one.read(), f"{text} says so")
            one.close()
            other.close()


def a_library_that_is_there_is_told_before_its_code_runs(failures):
    library = "#!lua name=x\nredis.register_function('g', function() end)"
    with Superdb(threads=1).start() as server:
        with server.connect() as connection:
            failures.check(connection.call("FUNCTION", "LOAD", library) == b"x", "a library is loaded")
            for code in ("#!lua name=x\nsyntax (", "#!lua name=x\nerror('ran')", "#!lua name=x\n"):
                reply = connection.command("FUNCTION", "LOAD", code)
                failures.check(reply == b"-ERR Library 'x' already exists\r\n", "it is there", reply)
            reply = connection.command("FUNCTION", "LOAD", "REPLACE", "#!lua name=x\nsyntax (")
            failures.check(reply.startswith(b"-ERR Error compiling function"), "its code counts where it is replaced", reply)


def main():
    failures = Failures()
    for test in (hostile_scripts_are_survived, json_has_an_end, a_reply_without_end_is_an_error, the_collector_is_every_scripts_own, coroutines_are_ended,
                 a_library_that_is_there_is_told_before_its_code_runs):
        test(failures)
    failures.finish("sandbox")


if __name__ == "__main__":
    main()

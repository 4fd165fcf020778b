#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench-report.py RESULTS OUT [types] - turns the results of scripts/bench.sh into OUT (docs/BENCHMARKS.md) and plots/ beside it

With "types" only the section on collections is written anew, and the rest of OUT stays as it is.

Every figure is a median over the rounds. A ratio is made of two figures of the same run. What is missing is a dash.
"""
import contextlib
import glob
import io
import json
import os
import re
import sys
from statistics import median

import bench_curves
import bench_types

NAMES = {
    "superdb": "SuperDB",
    "redis-off": "redis-server, persistence off",
    "redis-everysec": "redis-server, everysec",
    "redis-always": "redis-server, always",
    "redis-always-disk": "redis-server, always, on disk",
    "redis-rdb": "redis-server, RDB",
    "memcached": "memcached",
    "libpmemobj": "libpmemobj map",
}
SERVERS = ["superdb", "redis-off", "redis-everysec", "redis-always", "redis-always-disk", "memcached"]
PIPELINES = [1, 16, 64, 256]
# What SuperDB sets out to reach against redis-server without persistence, by pipeline depth.
TARGETS = {1: 1.4, 16: 3.5, 64: 6, 256: 8}

directory = sys.argv[1]
losses = []


def read(name):
    try:
        with open(os.path.join(directory, name)) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def documents(prefix, name):
    """The documents of all rounds: PREFIX-NAME-ROUND.json."""
    pattern = re.compile(re.escape(f"{prefix}-{name}-") + r"\d+\.json$")
    paths = sorted(glob.glob(os.path.join(directory, f"{prefix}-{name}-*.json")))
    found = [read(os.path.basename(path)) for path in paths if pattern.search(os.path.basename(path))]
    return [document for document in found if document]


def middle(values):
    values = [value for value in values if value is not None]
    return median(values) if values else None


def results(prefix, name, operation, pipeline=None):
    rows = []
    for document in documents(prefix, name):
        rows += [row for row in document.get("results", [])
                 if row["operation"] == operation and (pipeline is None or row.get("pipeline") == pipeline)]
    return rows


def figure(prefix, name, operation, pipeline, field, inner=None):
    rows = results(prefix, name, operation, pipeline)
    return middle([row[field][inner] if inner else row.get(field) for row in rows])


def thousands(value):
    return "-" if value is None else f"{value / 1000:,.0f}"


def plain(value, digits=1):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def ratio(ours, theirs):
    return "-" if not ours or not theirs else f"{ours / theirs:.2f}"


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "|".join("---" if i == 0 else "---:" for i in range(len(head))) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def lose(what, ours, theirs, unit, more_is_better):
    """Notes a comparison that SuperDB does not win."""
    if ours and theirs and (ours < theirs if more_is_better else ours > theirs):
        losses.append(f"{what}: {plain(ours)} against {plain(theirs)} {unit}")


def facts():
    lines = {}
    with open(os.path.join(directory, "facts.txt")) as file:
        for line in file:
            key, _, value = line.strip().partition(": ")
            lines[key] = value
    return lines


def print_machine(lines):
    stolen = [document["machine"].get("stolen_percent") for server in SERVERS
              for document in documents("net", server) if "machine" in document]
    print("## The machine\n")
    for key in ("cpu", "virtual", "kernel", "memory", "pools", "disk", "superdb", "redis-server", "memcached", "libpmemobj",
                "fio", "mode", "load average before", "load average after"):
        if lines.get(key):
            print(f"- {key}: {lines[key]}")
    if stolen:
        print(f"- CPU time that the hypervisor gave to others meanwhile: {median(stolen):.1f}% (median of the runs)")
    sample = documents("table", "superdb-1000000")
    if sample and sample[0].get("medium"):
        print(f"- the pool, as SuperDB sees it: {sample[0]['medium']}")
    print()


def print_commands():
    print("## The commands\n")
    print("Servers run on CPU 0, the load generator and the embedded tables on CPU 1. POOLS is a directory on the emulated "
          "persistent\nmemory, redis-server's log lies there too (its best case) except in the row \"on disk\".\n")
    print("```")
    with open(os.path.join(directory, "commands.txt")) as file:
        for line in file:
            print(line.rstrip())
    print("```\n")


def print_floor():
    rows = []
    for document in documents("table", "superdb-1000000"):
        rows.append(document["floor_ns"])
    if rows:
        print("## The floor of the medium\n")
        print("Bare instructions on a file beside the pool, measured between the phases of the same runs (ns):\n")
        names = [name for name in rows[0] if name not in ("flush", "bytes")]
        table(["what", "ns"], [[name.replace("_", " "), plain(middle([row[name] for row in rows]))] for name in names])
    lines = []
    for path in sorted(glob.glob(os.path.join(directory, "fio-*.json"))):
        try:
            with open(path) as file:
                job = json.load(file)["jobs"][0]
        except (OSError, ValueError, KeyError, IndexError):
            continue
        kind, block = os.path.basename(path)[4:-5].split("-")
        side = job["write" if "write" in kind else "read"]
        lines.append([f"{kind}, {block} bytes", plain(side["bw_bytes"] / 1e6), thousands(side["iops"]),
                      plain(side["clat_ns"]["mean"])])
    if lines:
        print("fio with its libpmem engine, one job, synchronous:\n")
        table(["what", "MB/s", "thousand/s", "ns"], lines)


def print_throughput(operation):
    print(f"### {operation.upper()}, thousand requests a second\n")
    base = {p: figure("net", "redis-off", operation, p, "requests_per_second") for p in PIPELINES}
    rows = []
    for server in SERVERS:
        values = {p: figure("net", server, operation, p, "requests_per_second") for p in PIPELINES}
        rows.append([NAMES[server]] + [thousands(values[p]) for p in PIPELINES])
        if server != "superdb":
            for p in PIPELINES:
                lose(f"{operation.upper()} at pipeline {p}, 50 connections, beside {NAMES[server]}",
                     figure("net", "superdb", operation, p, "requests_per_second"), values[p], "requests a second", True)
    for server in SERVERS[1:]:
        rows.append([f"SuperDB / {NAMES[server]}"] +
                    [ratio(figure("net", "superdb", operation, p, "requests_per_second"),
                           figure("net", server, operation, p, "requests_per_second")) for p in PIPELINES])
    rows.append(["wanted against redis-server, persistence off"] + [f"{TARGETS[p]:g}" for p in PIPELINES])
    table(["server"] + [f"P{p}" for p in PIPELINES], rows)
    for p in PIPELINES:
        ours = figure("net", "superdb", operation, p, "requests_per_second")
        if ours and base[p] and ours / base[p] < TARGETS[p]:
            losses.append(f"{operation.upper()} at pipeline {p} reaches {ours / base[p]:.2f} times redis-server without "
                          f"persistence; {TARGETS[p]:g} times is wanted")


def print_network():
    if not documents("net", "redis-off"):
        return
    print("## Servers: 50 connections, loopback TCP, 16-byte values, 1 M keys\n")
    print_throughput("get")
    print_throughput("set")

    print("### CPU time of the server for a request, ns\n")
    print("Less at the mercy of whatever else runs on the machine than the rates: what one core would do undisturbed is the "
          "inverse.\nA server that polls counts its polling, too.\n")
    rows = [[NAMES[server]] + [plain(figure("net", server, operation, p, "server_cpu_ns_per_request"))
                               for operation in ("get", "set") for p in PIPELINES] for server in SERVERS]
    for server in SERVERS[1:]:
        rows.append([f"{NAMES[server]} / SuperDB"] +
                    [ratio(figure("net", server, operation, p, "server_cpu_ns_per_request"),
                           figure("net", "superdb", operation, p, "server_cpu_ns_per_request"))
                     for operation in ("get", "set") for p in PIPELINES])
    table(["server"] + [f"{operation} P{p}" for operation in ("GET", "SET") for p in PIPELINES], rows)

    print("### Latency of a request in a full closed loop, us (p50 / p99)\n")
    rows = [[NAMES[server]] + [both(figure("net", server, operation, p, "latency_ns", "p50"),
                                    figure("net", server, operation, p, "latency_ns", "p99"))
                               for operation in ("get", "set") for p in (1, 64)] for server in SERVERS]
    table(["server", "GET P1", "GET P64", "SET P1", "SET P64"], rows)
    generator = middle([row["generator_cpu"] for server in SERVERS for operation in ("get", "set")
                        for row in results("net", server, operation, 256)])
    if generator is not None:
        print(f"The load generator used {generator * 100:.0f}% of its CPU at pipeline 256 (median over all servers).\n")
    print_single()
    print_open()
    print_memory()


# By what of a request: RESP's operation, the frame's, the frame's by handle.
PROTOCOL_ROWS = [("protocol", "GET", "get", "get", "geth", PIPELINES), ("protocol", "SET", "set", "set", "seth", PIPELINES),
                 ("many", "64 keys read", "mget", "mget", "mgeth", [1, 4]), ("many", "64 keys written", "mset", "mset", None, [1, 4])]


def print_protocols():
    if not documents("protocol", "binary"):
        return
    print("## The binary protocol beside RESP: one server, one core, 50 connections, 16-byte keys and values, 1 M keys\n")
    print("Thousand keys a second, and the server's CPU time for a key in ns; at the same pipelines, in turns. 64 keys: one MGET or MSET, one "
          "frame.\n")
    for prefix, title, resp, frame, handle, pipelines in PROTOCOL_ROWS:
        ways = [("RESP", "resp", resp), ("frames, by key", "binary", frame)] + ([("frames, by handle", "binary", handle)] if handle else [])
        rows = []
        for field, unit, shown in (("keys_per_second", "thousand/s", thousands), ("server_cpu_ns_per_key", "ns", plain)):
            base = {p: figure(prefix, "resp", resp, p, field) for p in pipelines}
            for name, protocol, operation in ways:
                values = {p: figure(prefix, protocol, operation, p, field) for p in pipelines}
                rows.append([f"{name}, {unit}"] + [shown(values[p]) for p in pipelines])
                if protocol == "binary":
                    rows.append([f"{name} / RESP" if unit == "thousand/s" else f"RESP / {name}"] +
                                [ratio(values[p], base[p]) if unit == "thousand/s" else ratio(base[p], values[p]) for p in pipelines])
                    if unit == "thousand/s":
                        for p in pipelines:
                            lose(f"{title} at pipeline {p}, {name}, beside RESP", values[p], base[p], "keys a second", True)
        table([title] + [f"P{p}" for p in pipelines], rows)


def both(low, high):
    return "-" if low is None else f"{low / 1000:.1f} / {high / 1000:.1f}"


def print_single():
    print("### One connection, pipeline 1\n")
    print("Round trips a second, and their latency in us. A client that sleeps pays for being woken, one that polls does not.\n")
    rows = []
    for server in SERVERS:
        row = [NAMES[server]]
        for prefix in ("one", "spin"):
            for operation in ("get", "set"):
                rate = figure(prefix, server, operation, 1, "requests_per_second")
                row.append(plain(rate))
                row.append(both(figure(prefix, server, operation, 1, "latency_ns", "p50"),
                                figure(prefix, server, operation, 1, "latency_ns", "p99")))
                if server != "superdb":
                    lose(f"{operation.upper()} on one connection ({'polling' if prefix == 'spin' else 'sleeping'} client) beside "
                         f"{NAMES[server]}", figure(prefix, "superdb", operation, 1, "requests_per_second"), rate,
                         "requests a second", True)
        rows.append(row)
    table(["server", "GET/s, sleeping", "p50 / p99", "SET/s, sleeping", "p50 / p99", "GET/s, polling", "p50 / p99",
           "SET/s, polling", "p50 / p99"], rows)


def print_open():
    if not documents("open", "redis-off"):
        return
    print("### Open loop: 20,000 requests a second on 50 connections, us from the time a request was due\n")
    rows = []
    for server in SERVERS:
        row = [NAMES[server]]
        for operation in ("get", "set"):
            for percentile in ("p50", "p99", "p99.9"):
                value = figure("open", server, operation, 1, "latency_ns", percentile)
                row.append("-" if value is None else plain(value / 1000))
        rows.append(row)
    table(["server", "GET p50", "p99", "p99.9", "SET p50", "p99", "p99.9"], rows)


def print_memory():
    rows = []
    for server in SERVERS:
        memory = read(f"memory-{server}.json")
        if memory:
            rows.append([NAMES[server], plain(memory.get("RssAnon", 0) / 1e6), plain(memory.get("RssShmem", 0) / 1e6)])
    if rows:
        print("### Memory of a server that holds 1 M keys of 16 + 16 bytes, MB\n")
        print("The pool of SuperDB is counted as far as it is mapped and touched; see below for what the keys take of it.\n")
        table(["server", "DRAM", "pool"], rows)


def print_restart():
    rows = []
    for count in (1000000, 10000000):
        times = {}
        for server in ("superdb", "redis-everysec", "redis-rdb"):
            times[server] = middle([document.get("first_reply_ms") for document in documents(f"restart-{server}", count)])
        if any(times.values()):
            rows.append([f"{count // 1000000} M"] + [plain(times[server]) for server in times] +
                        [ratio(times["redis-rdb"], times["superdb"])])
            lose(f"first reply after a restart with {count} keys beside redis-server, RDB", times["superdb"],
                 times["redis-rdb"], "ms", False)
    if rows:
        print("## From the start of the process to the first right reply, ms\n")
        print("memcached and redis-server without persistence come back empty.\n")
        table(["keys", "SuperDB", "redis-server, AOF", "redis-server, RDB", "RDB / SuperDB"], rows)


OPERATIONS = ["insert", "get", "get_zipfian", "get_hot", "get_batch", "get_batch_hot", "get_handle", "get_handle_hot",
              "get_handle_batch", "get_handle_batch_hot", "update", "update_zipfian", "update_hot", "update_handle",
              "update_group", "delete", "reinsert"]


def print_tables():
    for count in (1000000, 10000000):
        superdb = f"superdb-{count}"
        other = f"libpmemobj-{count}"
        if not documents("table", superdb) and not documents("table", other):
            continue
        print(f"## Embedded: {count // 1000000} M keys of 8 + 8 bytes, one thread\n")
        print("Nanoseconds an operation, the median over slices of 4,096, of the thread's CPU time; batches of 32, groups of 64, a hot set of 32,768 "
              "keys.\n")
        rows = []
        for operation in OPERATIONS:
            ours = figure("table", superdb, operation, None, "cpu_ns")
            theirs = figure("table", other, operation, None, "cpu_ns")
            rows.append([operation.replace("_", " "), plain(ours), plain(figure("table", superdb, operation, None,
                                                                               "latency_ns", "p99")),
                         plain(figure("table", superdb, operation, None, "fences"), 3),
                         plain(figure("table", superdb, operation, None, "flushed_lines"), 2),
                         plain(figure("table", superdb, operation, None, "of_store_flush_fence"), 2), plain(theirs),
                         ratio(theirs, ours)])
            lose(f"embedded {operation.replace('_', ' ')}, {count // 1000000} M keys, beside libpmemobj", ours, theirs, "ns",
                 False)
        table(["operation", "SuperDB", "p99 of a call", "fences", "lines", "of store + flush + fence", "libpmemobj map",
               "libpmemobj / SuperDB"], rows)
        print_reopen(superdb, other)


def print_reopen(superdb, other):
    def reopen(name, how):
        return middle([document.get("reopen_ms", {}).get(how) for document in documents("table", name)])

    def size(name, field):
        return middle([document.get(field) for document in documents("table", name)])

    wide = [read(f"size-{name}.json") or {} for name in (superdb, other)]
    table(["", "SuperDB", "libpmemobj map"],
          [["open to first reply after a clean close, ms", plain(reopen(superdb, "clean"), 3), plain(reopen(other, "clean"), 3)],
           ["open to first reply after SIGKILL, ms", plain(reopen(superdb, "killed"), 3), plain(reopen(other, "killed"), 3)],
           ["pool bytes a key, 8 + 8, all included", plain(size(superdb, "pool_bytes_per_key")),
            plain(size(other, "pool_bytes_per_key"))],
           ["the same without what an empty pool takes", plain(size(superdb, "pool_bytes_per_key_added")),
            plain(size(other, "pool_bytes_per_key_added"))],
           ["pool bytes a key, 16 + 8, all included", plain(wide[0].get("pool_bytes_per_key")),
            plain(wide[1].get("pool_bytes_per_key"))],
           ["the same without what an empty pool takes", plain(wide[0].get("pool_bytes_per_key_added")),
            plain(wide[1].get("pool_bytes_per_key_added"))]])


def print_threads():
    document = read("threads-superdb.json")
    if not document:
        return
    threads = document["parameters"]["threads"]
    print(f"### SuperDB with {threads} threads\n")
    rows = []
    for row in document["results"]:
        single = figure("table", "superdb-1000000", row["operation"], None, "operations_per_second")
        rows.append([row["operation"].replace("_", " "), thousands(single), thousands(row["operations_per_second"]),
                     ratio(row["operations_per_second"], single)])
    table(["operation", "one thread, thousand/s", f"{threads} threads, thousand/s", "ratio"], rows)


HOT = [("get_handle_hot", "GET by handle", "read_dependent_32_KiB", 10),
       ("get_hot", "GET by key", "read_dependent_32_KiB", 25),
       ("get_handle_batch_hot", "batch of 32 by handle", "read_32_byte_entries_32_KiB", 4),
       ("get_batch_hot", "batch of 32 by key", "read_32_byte_entries_32_KiB", 20)]
COLD = [("get", "GET by key", "read_dependent", 100), ("get_batch", "batch of 32 by key", "read_independent", 60),
        ("get_handle", "GET by handle", "read_dependent", None), ("get_handle_batch", "batch of 32 by handle", "read_independent", None)]


def print_hot():
    if not documents("hot", "avx512") and not documents("hot", "cold"):
        return
    print("## Embedded, reads of a hot set: 1,024 of 200,000 keys of 8 + 8 bytes\n")
    print("ns an operation, of the thread's CPU time, by the vector instructions that may be used (SUPERDB_SIMD). The floor is a bare "
          "loop over 32 KiB:\nloads that depend on each other for a single GET, whole entries of 32 bytes read at random places for a "
          "batch.\n")
    rows = []
    for operation, name, floor, wanted in HOT:
        values = [figure("hot", simd, operation, None, "cpu_ns") for simd in ("avx512", "avx2", "plain")]
        bare = middle([document["floor_ns"][floor] for document in documents("hot", "avx512")])
        rows.append([name] + [plain(value, 2) for value in values] + [plain(1000 / values[0], 0) if values[0] else "-", wanted, plain(bare, 2)])
        if values[0] and values[0] > wanted:
            losses.append(f"{name} of a hot set: {values[0]:.2f} ns; {wanted} ns is wanted")
    table(["operation", "AVX-512", "AVX2", "plain", "million/s, AVX-512", "wanted, ns", "floor, ns"], rows)
    cold = documents("hot", "cold")
    if not cold:
        return
    count = cold[0]["parameters"]["keys"]
    print(f"The same of all {count / 1e6:g} M keys, uniformly picked; the floor is of 256 MiB on the same file system:\n")
    rows = []
    for operation, name, floor, wanted in COLD:
        value = figure("hot", "cold", operation, None, "cpu_ns")
        rows.append([name, plain(value), wanted or "-", plain(middle([document["floor_ns"][floor] for document in cold]))])
        if wanted and value and value > wanted:
            losses.append(f"{name}, {count / 1e6:g} M keys: {value:.1f} ns; {wanted} ns is wanted")
    table(["operation", "ns", "wanted", "floor, ns a line"], rows)


def percent(value):
    return f"{100 * value:.1f}"


def print_cache():
    document = read("cache.json")
    if document:
        print("## The hot-handle cache: hit rates\n")
        print(f"{document['keys'] / 1e6:g} M keys, {document['accesses'] / 1e6:g} M accesses of which the second half counts, room for "
              f"{document['copies']:,} copies; per cent. \"Ideal\" keeps the keys of the\ngreatest chance, MIN knows the future; \"paced\" "
              "is as sessions ask, which leave the cache alone where next to nothing hits. The\nhot part: hits among accesses to the hot "
              "set; the first line: hits that took one line of the cache.\n")
        rows = []
        for row in document["results"]:
            rows.append([row["workload"], percent(row["ideal"]), percent(row["min"]), percent(row["superdb"]),
                         percent(row["superdb_of_ideal"]), percent(row["superdb_paced"]), percent(row["lru"]),
                         percent(row["direct_mapped"]), percent(row["superdb_hot"]), percent(row["lru_hot"]),
                         percent(row["in_first_line"])])
            if row["superdb_of_ideal"] < 0.95:
                losses.append(f"the cache hits {percent(row['superdb_of_ideal'])}% of what the ideal one of its size does: {row['workload']}")
        table(["workload", "ideal", "MIN", "SuperDB", "of ideal", "paced", "LRU", "direct-mapped", "hot part", "LRU, hot part",
               "first line"], rows)
    print_slower(read("slower.json"))


def print_slower(document):
    if not document:
        return
    results = document["results"]
    sizes = sorted({row["cache_size"] for row in results})
    print("## The hot-handle cache on a slower medium, emulated\n")
    print(f"{document['keys'] / 1e6:g} M keys of 8 + 8 bytes; every line of the pool that is not among the {document['cpu_cache'] >> 20} MiB that the "
          "CPU's caches are modelled with costs\nthis much more to read, every flushed line to flush; 16 prefetched lines at most are on their "
          "way at once. ns an operation,\nthe model's own cost (see +0) included.\n")
    head = ["keys, operation", "extra ns"] + ["no cache" if size == 0 else f"{size / 1e6:g} MB" for size in sizes] + ["no cache / largest", "hits, largest"]
    rows = []
    for picks in ("zipfian", "uniform"):
        for operation in ("get", "get_batch", "set"):
            for extra in sorted({row["extra_ns"] for row in results}):
                line = {row["cache_size"]: row for row in results
                        if (row["picks"], row["operation"], row["extra_ns"]) == (picks, operation, extra)}
                rows.append([f"{picks}, {operation.replace('_', ' ')}", f"+{extra}"] + [plain(line[size]["ns"]) for size in sizes] +
                            [ratio(line[sizes[0]]["ns"], line[sizes[-1]]["ns"]), percent(line[sizes[-1]]["hit_rate"]) + "%"])
    table(head, rows)


def main():
    lines = facts()
    print("# Benchmarks\n")
    print("Written by `scripts/bench.sh`; run it to get these tables for another machine. Every figure is a median over "
          "interleaved\nrounds on one machine that other guests share: ratios mean more than absolute figures.\n")
    print("What link-time and profile-guided optimisation would bring: [decision 019](decisions/019-link-time-optimisation.md).\n")
    print_machine(lines)
    print_floor()
    print_network()
    print_protocols()
    print_restart()
    print_tables()
    print_threads()
    print_hot()
    print_cache()
    curves = bench_curves.Curves(directory, os.path.join(os.path.dirname(sys.argv[2]), "plots"), losses)
    bench_curves.print_sizes(curves)
    bench_curves.print_growth(curves)
    bench_curves.print_bytes(curves)
    bench_curves.print_connections(curves)
    bench_curves.print_lines(curves)
    bench_types.print_types(curves, lines)
    print("## Where SuperDB loses, or misses what it set out for\n")
    print("\n".join(f"- {loss}" for loss in losses) if losses else "Nowhere in this run.")
    print()
    print_commands()


def replace_types():
    """The document with another section on collections: in place of the one it has, or before what it says of losses."""
    text = io.StringIO()
    curves = bench_curves.Curves(directory, os.path.join(os.path.dirname(sys.argv[2]), "plots"), losses)
    with contextlib.redirect_stdout(text):
        bench_types.print_types(curves, facts())
    with open(sys.argv[2]) as page:
        before = page.read()
    if bench_types.BEGIN in before:
        begin, end = before.index(bench_types.BEGIN), before.index(bench_types.END) + len(bench_types.END) + 2
    else:
        begin = end = before.index("## Where SuperDB loses")
    return before[:begin] + text.getvalue() + before[end:]


out = sys.argv[2]
if sys.argv[3:] == ["types"]:
    document = replace_types()
    with open(out + ".new", "w") as page:
        page.write(document)
    os.replace(out + ".new", out)
    sys.exit()
with open(out + ".new", "w") as page, contextlib.redirect_stdout(page):
    main()
os.replace(out + ".new", out)

# SPDX-License-Identifier: BSD-3-Clause
"""bench_curves.py - the sections of docs/BENCHMARKS.md that are curves, with their tables; bench-report.py calls it

Plots are drawn by gnuplot as small SVG files beside the document, and each has the floor of the medium in it where there is one.
"""
import contextlib
import glob
import json
import os
import re
import subprocess
import sys
from statistics import median

SIZE_MAX = 40 * 1024  # of a plot that is kept beside the documentation
CURVES = [("get", "get by key"), ("get_batch", "get in batches of 32"), ("update", "update"), ("reinsert", "insert"),
          ("delete", "delete")]
FLOORS = [("read_dependent", "a read that depends on the one before"), ("read_independent", "independent reads"),
          ("store_flush_fence", "store + flush + fence")]
COLOURS = {"get": "#1f77b4", "get_batch": "#17becf", "update": "#2ca02c", "reinsert": "#d62728", "delete": "#9467bd",
           "read_dependent": "#1f77b4", "read_independent": "#17becf", "store_flush_fence": "#444444"}
GROWN = [("embedded", "SuperDB, in this process, a SET"), ("superdb", "superdb-server, a pipeline of 16 SETs"),
         ("redis-off", "redis-server, persistence off, the same"),
         ("redis-fork", "redis-server, a snapshot every 5 s, the same")]
PARTS = [("entries", "entries"), ("entry_slack", "room in pages of entries"), ("index", "index words"),
         ("index_slack", "room in index segments"), ("blobs", "blobs, rounded up to their size class"),
         ("extent_headers", "headers of extents"), ("superblock_lanes_maps", "superblock, lanes, maps (the same for any number of keys)")]
CONNECTIONS = [("superdb", "SuperDB, io_uring"), ("superdb-epoll", "SuperDB, epoll"), ("redis-off", "redis-server, persistence off"),
               ("memcached", "memcached")]
COUNTS = [1, 50, 1000, 10000]


class Curves:
    def __init__(self, results, plots, losses):
        self.results, self.plots, self.losses = results, plots, losses

    def documents(self, pattern):
        found = []
        for path in sorted(glob.glob(os.path.join(self.results, pattern))):
            with open(path) as file, contextlib.suppress(ValueError):  # what failed left half a document
                found.append(json.load(file))
        return found

    def numbers(self, pattern):
        """The numbers that stand where the pattern has (N), sorted."""
        expression = re.compile(re.escape(pattern).replace(r"\(N\)", r"(\d+)").replace(r"\*", r"\d+") + "$")
        names = (expression.match(os.path.basename(path)) for path in glob.glob(os.path.join(self.results, "*.json")))
        return sorted({int(name.group(1)) for name in names if name})

    def gnuplot(self, name, commands):
        os.makedirs(self.plots, exist_ok=True)
        path = os.path.join(self.plots, name + ".svg")
        head = (f"set terminal svg size 760,400 font 'sans-serif,11' background '#ffffff'\nset output '{path}'\n"
                "set grid lc rgb '#dddddd'\nset key outside right top\nset border 3\nset tics nomirror\n")
        subprocess.run(["gnuplot"], input=head + commands, text=True, check=True)
        if os.path.getsize(path) > SIZE_MAX:
            sys.exit(f"bench-report.py: {path} has {os.path.getsize(path)} bytes, more than {SIZE_MAX}")
        print(f"![{name}](plots/{name}.svg)\n")


def short(count):
    return f"{count // 1000000} M" if count >= 1000000 else f"{count // 1000} K" if count >= 1000 else str(count)


def cell(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def head(cells):
    print("| " + " | ".join(cells) + " |")
    print("|---|" + "---:|" * (len(cells) - 1))


def row(cells):
    print("| " + " | ".join(cells) + " |")


def block(name, rows):
    return f"${name} << EOD\n" + "".join(" ".join(str(value) for value in values) + "\n" for values in rows) + "EOD\n"


# ---- cost against size -------------------------------------------------------------------------------------------------------
def read_sizes(curves):
    """{keys: {curve or floor: ns}}, medians over the rounds."""
    table = {}
    for size in curves.numbers("size-(N)-*.json"):
        runs = curves.documents(f"size-{size}-*.json")
        table[size] = {floor: median([run["floor_ns"][floor] for run in runs]) for floor, _ in FLOORS}
        for curve, _ in CURVES:
            table[size][curve] = median([entry["cpu_ns"] for run in runs for entry in run["results"] if entry["operation"] == curve])
    return table


def plot_sizes(curves, table):
    words = dict(CURVES + FLOORS)
    data = "".join(block(name, [(size, f"{values[name]:.1f}") for size, values in table.items()]) for name in words)
    ticks = ", ".join(f"'{short(size)}' {size}" for size in table)
    axes = f"set logscale x\nset xlabel 'keys in the store'\nset ylabel 'ns an operation'\nset yrange [0:*]\nset xtics ({ticks})\n"

    def lines(names):
        floors = dict(FLOORS)
        return ", ".join(f"${name} using 1:2 with linespoints lc rgb '{COLOURS[name]}' "
                         f"{'lw 1 dt 2 pt 6 ps 0.5' if name in floors else 'lw 2 pt 7 ps 0.6'} "
                         f"title '{'floor: ' if name in floors else ''}{words[name]}'" for name in names)

    curves.gnuplot("cost-reads", data + axes + "plot " + lines(["get", "get_batch", "read_dependent", "read_independent"]) + "\n")
    curves.gnuplot("cost-writes", data + axes + "plot " + lines(["update", "reinsert", "delete", "store_flush_fence"]) + "\n")


def print_sizes(curves):
    table = read_sizes(curves)
    if not table:
        return
    print("## Cost against size\n")
    print("One thread, keys of 16 and values of 8 bytes, keys chosen uniformly, ns of the thread's CPU time. Dashed: the floor, bare\n"
          "instructions over as much memory as the keys take (4 MiB at least, 1 GiB at most), measured between the phases of the same\n"
          "runs. A get by key reads two lines that depend on each other; a write is one fence.\n")
    plot_sizes(curves, table)
    head(["ns"] + [short(size) for size in table])
    for name, words in CURVES + [(name, "floor: " + words) for name, words in FLOORS]:
        row([words] + [cell(values[name]) for values in table.values()])
    print()


# ---- growth ------------------------------------------------------------------------------------------------------------------
def read_growth(curves, name):
    """
    Rows of (keys, p50, p99.99, longest) in us, and the whole run's figures. Of each interval the quietest round counts: what growth
    itself costs comes back in every round at the same place, and what others do to the machine does not.
    """
    runs = curves.documents(f"growth-{name}-[0-9]*.json")
    if not runs:
        return None
    rows = [(intervals[0]["keys"],) + tuple(min(one["latency_ns"][field] for one in intervals) / 1000
                                            for field in ("p50", "p99.99", "max"))
            for intervals in zip(*[run["intervals"] for run in runs])]
    quiet = min(runs, key=lambda run: run["latency_ns"]["p99.99"])
    whole = {field: quiet["latency_ns"][field] / 1000 for field in ("p50", "p99", "p99.9", "p99.99")}
    whole["longest"] = min(run["latency_ns"]["max"] for run in runs) / 1000
    whole["step"], whole["step_at"] = max((values[3], values[0]) for values in rows)
    whole["disturbed"] = median([run["disturbed"] for run in runs])
    return rows, whole


def plot_growth(curves, grown):
    axes = "set logscale y\nset xlabel 'million keys in the store'\nset ylabel 'us'\n"
    data = block("rows", [(values[0] / 1e6, *(f"{value:.2f}" for value in values[1:])) for values in grown["embedded"][0]])
    curves.gnuplot("growth-embedded", data + axes + "plot $rows using 1:2 with lines lw 2 lc rgb '#1f77b4' title 'median', "
                   "$rows using 1:3 with lines lw 1 lc rgb '#ff7f0e' title 'p99.99', "
                   "$rows using 1:4 with lines lw 1 lc rgb '#d62728' title 'longest'\n")
    servers = [("redis-off", "redis-server", "#2ca02c"), ("redis-fork", "redis-server, snapshots", "#d62728"),
               ("superdb", "superdb-server", "#1f77b4")]
    servers = [server for server in servers if server[0] in grown]
    if servers:
        data = "".join(block(name.replace("-", "_"), [(values[0] / 1e6, f"{values[3]:.1f}") for values in grown[name][0]])
                       for name, _, _ in servers)
        curves.gnuplot("growth-servers", data + axes + "plot " + ", ".join(
            f"${name.replace('-', '_')} using 1:2 with lines lw 1 lc rgb '{colour}' title '{words}, longest'"
            for name, words, colour in servers) + "\n")


def print_growth(curves):
    grown = {name: figures for name, figures in ((name, read_growth(curves, name)) for name, _ in GROWN) if figures}
    if "embedded" not in grown:
        return
    rounds = len(curves.documents("growth-embedded-[0-9]*.json"))
    print(f"## Growth from 0 to {short(grown['embedded'][0][-1][0])} keys\n")
    print("Every call is timed, in a hundred intervals; of a pipeline it is the round trip. Percentiles are of the quietest of "
          f"{rounds} rounds.\n\"Every round\" is the longest call that comes back: of each interval the round with the shortest longest "
          "call counts, and the largest\nof those stands here. What the growth of an index costs is in it, what others do to the machine "
          "is not. Calls during which the kernel\ngave the CPU to somebody else are left out (\"disturbed\"). An insert in some thousand finds its "
          "segment of the index full and replaces it:\nit reads up to 1,360 entries, however many keys there are "
          "([decision 006](decisions/006-index.md)).\n")
    plot_growth(curves, grown)
    head(["us", "p50", "p99", "p99.9", "p99.99", "longest", "every round", "at keys", "disturbed"])
    for name, words in GROWN:
        if name in grown:
            whole = grown[name][1]
            digits = 2 if name == "embedded" else 1
            row([words, cell(whole["p50"], digits), cell(whole["p99"], digits), cell(whole["p99.9"], 1), cell(whole["p99.99"], 1),
                 cell(whole["longest"]), cell(whole["step"]), f"{whole['step_at'] / 1e6:.2f} M", cell(whole["disturbed"])])
    print()
    for name in ("redis-off", "redis-fork"):
        if name in grown and "superdb" in grown and grown["superdb"][1]["step"] > grown[name][1]["step"]:
            curves.losses.append(f"longest round trip while growing, beside {dict(GROWN)[name].split(', the same')[0]}: "
                                 f"{grown['superdb'][1]['step']:,.0f} against {grown[name][1]['step']:,.0f} us")


# ---- memory ------------------------------------------------------------------------------------------------------------------
def print_bytes(curves):
    sizes = curves.numbers("bytes-superdb-(N).json")
    runs = {size: curves.documents(f"bytes-superdb-{size}.json")[0] for size in sizes}
    if not sizes:
        return
    print("## Where each byte goes\n")
    print(f"Bytes a key, {short(runs[sizes[0]]['parameters']['keys'])} keys of 16 bytes, by the size of the value. Of SuperDB it is the "
          "pool; of the others it is how their\nresident memory grew.\n")
    head(["bytes a key"] + [f"value of {size}" for size in sizes])
    for part, words in PARTS:
        row([words] + [cell(runs[size]["bytes_per_key"][part], 1) for size in sizes])
    row(["**SuperDB, all of it**"] + [cell(runs[size]["pool_bytes_per_key"], 1) for size in sizes])
    for name, words in (("redis-off", "redis-server"), ("memcached", "memcached")):
        values = [(curves.documents(f"bytes-{name}-{size}.json") or [{}])[0].get("bytes_per_key") for size in sizes]
        row([words] + [cell(value) for value in values])
        for size, value in zip(sizes, values):
            if value and value < runs[size]["pool_bytes_per_key"]:
                curves.losses.append(f"bytes a key with values of {size}, beside {words}: {runs[size]['pool_bytes_per_key']:.0f} against {value}")
    print()
    for size in curves.numbers("size-(N)-*.json"):
        if size >= 10000000:
            value = median([run["pool_bytes_per_key"] for run in curves.documents(f"size-{size}-*.json")])
            print(f"At {short(size)} keys of 16 + 8 bytes: {value:.1f} bytes a key, all included; at most 48 are wanted.\n")
            if value > 48:
                curves.losses.append(f"{value:.1f} bytes a key at {short(size)} keys; at most 48 are wanted")


# ---- connections -------------------------------------------------------------------------------------------------------------
def connection_figure(curves, name, count, operation, depth, field):
    values = [entry[field] for run in curves.documents(f"connections-{name}-{count}-[0-9]*.json") for entry in run["results"]
              if entry["operation"] == operation and entry["pipeline"] == depth and field in entry]
    return median(values) if values else None


def print_connections(curves):
    if not glob.glob(os.path.join(curves.results, "connections-superdb-*.json")):
        return
    print("## Connections: thousand requests a second, and us of the server's CPU for each\n")
    print("One server core, one core for the load generator, 1 M keys, 16-byte values.\n")
    head(["server"] + [f"{operation} P{depth}, {short(count)}" for operation in ("GET", "SET") for depth in (1, 16) for count in COUNTS])
    for name, words in CONNECTIONS:
        cells = []
        for operation in ("get", "set"):
            for depth in (1, 16):
                for count in COUNTS:
                    rate = connection_figure(curves, name, count, operation, depth, "requests_per_second")
                    cpu = connection_figure(curves, name, count, operation, depth, "server_cpu_ns_per_request")
                    cells.append("-" if not rate or not cpu else f"{rate / 1000:,.0f} ({cpu / 1000:.1f})")
                    ours = connection_figure(curves, "superdb", count, operation, depth, "requests_per_second")
                    if name in ("redis-off", "memcached") and ours and rate and ours < rate:
                        curves.losses.append(f"{operation.upper()} on {short(count)} connections, pipeline {depth}, beside {words}: "
                                             f"{ours:,.0f} against {rate:,.0f} requests a second")
        row([words] + cells)
    print("\n### io_uring beside epoll: 50 connections, ns of the server's CPU for a request\n")
    depths = (1, 16, 64, 256)
    head(["backend"] + [f"{operation} P{depth}" for operation in ("GET", "SET") for depth in depths])
    for name, words in CONNECTIONS[:2]:
        row([words] + [cell(connection_figure(curves, name, 50, operation, depth, "server_cpu_ns_per_request"))
                       for operation in ("get", "set") for depth in depths])
    print()


# ---- shared lines ------------------------------------------------------------------------------------------------------------
LINES = [("get", "GET, in the cache"), ("get_many", "GET of 32, in the cache"), ("get_cold", "GET, not in the cache"), ("update", "update"),
         ("group", "update in a group of 32"), ("insert", "insert")]


def print_lines(curves):
    found = curves.documents("lines.json")
    if not found:
        return
    print("## Cache lines for a key: shared with other threads, and written\n")
    print("From traces of every access to memory (`scripts/shared-lines.py`), the same in every run: two threads use different keys of "
          "200,000.\nA line is shared where one of them writes it and the other one touches it: between two cores it would travel. Lines "
          "and blocks\n(256 bytes) of the pool are those that a key's operation changes; \"to the medium\" are blocks behind a buffer of "
          "64 blocks, and the\namplification is their bytes over the 24 of key and value.\n")
    head(["for a key", "shared, DRAM", "shared, pool", "lines written", "blocks written", "blocks to the medium", "amplification"])
    for operation, words in LINES:
        figures = found[0].get(operation)
        if figures:
            row([words, cell(figures["shared_dram"], 2), cell(figures["shared_pool"], 2), cell(figures["pool_lines"], 2),
                 cell(figures["pool_blocks"], 2), cell(figures["media_blocks"], 2), cell(figures["media_blocks"] * 256 / 24, 1)])
    print("\nWhat follows for many cores: [ARCHITECTURE.md](ARCHITECTURE.md#what-limits-many-cores).\n")

# SPDX-License-Identifier: BSD-3-Clause
"""judge.py - builds the crash images, and unit tests, with one source changed, and says whether they turn red

A Judge has a copy of the sources of its own, compiles what the change reaches with the build's own commands, and links it
with the build's other objects. Verdicts are the harness's words: an image failed, a word was left that is not durable, the
engine answered with an error, a signal, a hang.

Suites: ("crash", X) a scenario of crash_images, ("long", (seed, X)) the same with wide bounds, ("unit", X) a unit test, ("faults", X) a
test of failing resources, ("server", X) an integration test of the server that can be refused what it asks for, ("medium", X) one of
the tool on a medium with bad pages.
"""
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CPU_LIMIT = 30    # seconds of a scenario or test; the longest takes 5
CPU_LIMIT_DEEP = 180
WALL_LIMIT = 900  # where all threads wait for each other
FLAGS = ["-O1", "-g0", "-w", "-ftrivial-auto-var-init=zero"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
SCENARIOS_FIRST = ("reopen", "kinds", "databases", "random", "creation", "threads", "expiry", "batches", "splits", "growth",
                   "transactions", "reopen-eadr", "threads-pages", "reopen-pages", "nested", "extents")
SAME_CODE = "the compiled code is the same"
LIBRARY = re.compile(r"(?<= )(?:-l\w+|-Wl,--wrap=\w+|/\S+\.so)(?= )")
REPEATED = ("unit", "faults", "medium", "server")  # what time can make red on a busy machine is to be red twice
COLUMN = {"faults": "unit", "medium": "programs", "server": "programs"}  # who killed, in the summary
DEEP = (["--every", "1", "--states", "512", "--random", "96", "--lines", "24"], (20231114, 2, 3, 4))


class Verdict:
    def __init__(self, killed, judge="", how="", seconds=0.0, detail="", run=()):
        self.killed, self.judge, self.how, self.seconds, self.detail = killed, judge, how, seconds, detail
        self.run = run  # what to run to see it again: (suite, what)


class Build:
    """What a build directory says about its objects."""

    def __init__(self, root, directory):
        self.root, self.directory = root, directory
        self.commands, self.linked_with = {}, {}
        for entry in json.load(open(os.path.join(directory, "compile_commands.json"), encoding="utf-8")):
            arguments = shlex.split(entry["command"])
            output = os.path.join(entry["directory"], arguments[arguments.index("-o") + 1])
            self.commands[output] = (arguments, os.path.relpath(entry["file"], root))
        self.engine = self.objects("/sdb_crashtest_engine.dir/")
        self.crash = self.engine + self.objects("/sdb_crashtest.dir/") + self.objects("/crash_images.dir/")
        self.layers = self.objects("/sdb_base.dir/", "/sdb_pmem.dir/", "/sdb_store.dir/", "/sdb_resp.dir/")
        self.wire = self.objects("/sdb_wire.dir/")
        self.medium = self.objects("/sdb_tools.dir/", "/superdb-pool-medium.dir/") + self.layers
        self.server = self.objects("/sdb_server.dir/", "/superdb-server-faults.dir/") + self.wire + self.layers

    def objects(self, *folders):
        return sorted(o for o in self.commands if any(f in o for f in folders))

    def libraries(self, target):
        """What the build itself links a target with, besides objects and archives."""
        if target not in self.linked_with:
            commands = subprocess.run(["ninja", "-t", "commands", target], cwd=self.directory, capture_output=True, text=True, check=True)
            self.linked_with[target] = LIBRARY.findall(commands.stdout.strip().split("\n")[-1]) + ["-pthread"]
        return self.linked_with[target]

    def test_objects(self, test):
        return self.objects(f"/test_{test}.dir/")

    def reached(self, path, objects):
        """The objects whose source is this file, or includes it."""
        if path.endswith(".c"):
            return [o for o in objects if self.commands[o][1] == path]
        names = {os.path.basename(path)}
        headers = {}
        for folder in ("pmem", "src/store", "src/server"):
            for name in os.listdir(os.path.join(self.root, folder)):
                headers[name] = self.includes(os.path.join(folder, name))
        while True:
            more = {n for n, included in headers.items() if n.endswith(".h") and included & names} - names
            if not more:
                break
            names |= more
        return [o for o in objects if self.includes(self.commands[o][1]) & names]

    def includes(self, path):
        text = open(os.path.join(self.root, path), encoding="utf-8").read()
        return {os.path.basename(name) for name in INCLUDE.findall(text)}


class Judge:
    def __init__(self, build):
        self.build = build
        self.home = tempfile.mkdtemp(prefix="superdb-mutant-")
        self.tree = os.path.join(self.home, "tree")
        for folder in ("pmem", "src", "include", "tests"):
            shutil.copytree(os.path.join(build.root, folder), os.path.join(self.tree, folder),
                            ignore=shutil.ignore_patterns("corpus", "__pycache__"))
        self.compiled = {}   # object -> of the present mutant
        self.linked = {}     # program -> the objects that it was linked from
        self.unchanged = {}  # object -> its bytes, compiled from the source as it is

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)

    # ---- building ----

    def compile(self, output, arguments):
        arguments = [a.replace(self.build.root + "/", self.tree + "/") for a in arguments]
        arguments[arguments.index("-o") + 1] = output
        arguments = [a for a in arguments if a != "-Werror"] + FLAGS
        return subprocess.run(arguments, capture_output=True, text=True, cwd=self.build.directory)

    def mutated(self, mutant, original):
        """(object, whether its code is another one), compiled once; (None, why not) where it does not compile."""
        if original not in self.compiled:
            output = os.path.join(self.home, f"{len(self.compiled)}.o")
            result = self.compile(output, self.build.commands[original][0])
            if result.returncode != 0:
                self.compiled[original] = (None, result.stderr.strip().split("\n")[0])
            else:
                self.compiled[original] = (output, self.contents(output) != self.unchanged_contents(mutant, original, output))
        return self.compiled[original]

    def program(self, name, objects, mutant, libraries):
        """Links objects with those that the mutant reaches compiled anew; (path, None) or (None, why not)."""
        linked = {o: o for o in objects}
        reached = self.build.reached(mutant.path, objects) if mutant else []
        changed = mutant is None
        for original in reached:
            output, what = self.mutated(mutant, original)
            if not output:
                return None, what
            linked[original] = output
            changed = changed or what
        if not changed:
            return None, SAME_CODE
        return self.link(name, tuple(linked.values()), libraries), None

    def link(self, name, objects, libraries):
        """The scenarios have one program, linked once."""
        path = os.path.join(self.home, name)
        if self.linked.get(name) == objects:
            return path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        compiler = next(iter(self.build.commands.values()))[0][0]
        result = subprocess.run([compiler, "-Wl,-S", "-o", path, *objects, *libraries], capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError("the build directory does not fit: " + result.stderr.strip()[:2000])
        self.linked[name] = objects
        return path

    @staticmethod
    def contents(path):
        with open(path, "rb") as file:
            return file.read()

    def unchanged_contents(self, mutant, original, output):
        """What the object is without the mutant: a mutant that changes no instruction is none."""
        if original not in self.unchanged:
            path = os.path.join(self.tree, mutant.path)
            self.write(path, self.contents(os.path.join(self.build.root, mutant.path)).decode())
            self.compile(output + "-", self.build.commands[original][0])
            self.unchanged[original] = self.contents(output + "-")
            self.write(path, mutant.text)
        return self.unchanged[original]

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    # ---- running ----

    def run(self, command, seconds=CPU_LIMIT, environment=None):
        """(how, detail) where it is red, None where it is green."""
        def limits():
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=WALL_LIMIT, cwd=self.home,
                                  preexec_fn=limits, env={**os.environ, "TMPDIR": self.home, **(environment or {})})
        except subprocess.TimeoutExpired:
            return "hang", f"{WALL_LIMIT} s"
        output = done.stdout + done.stderr
        if done.returncode == 0:
            return None
        if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return "hang", f"{seconds} s of CPU"
        if done.returncode < 0:
            return "signal", signal.Signals(-done.returncode).name
        failed = re.search(r"FAILED \S+: (.*)", output)
        if failed and "an operation has ended, and the word" in failed.group(1):
            return "not durable", failed.group(1)
        if failed and re.search(r"\bpoint \d+\b|crash|image", failed.group(1)):
            return "image", failed.group(1)
        if failed:
            return "error", failed.group(1)
        claims = re.findall(r"\[  (?:FAILED|ERROR )  \] (\w+)$", output, re.M)
        lines = [line for line in output.strip().split("\n") if line]
        return "test" if claims else "error", claims[0] if claims else lines[-1] if lines else ""

    # ---- the suites ----

    def made_of(self, suite, what):
        """(name of the program in this home, its objects, the target whose libraries it has)"""
        build = self.build
        if suite in ("crash", "long"):
            return "crash", build.crash, "crash_images"
        if suite == "unit":
            return "unit", build.test_objects(what) + build.wire + build.layers, f"test_{what}"
        if suite == "faults":
            return "faults", build.objects(f"/faults_{what}.dir/") + build.layers, f"faults_{what}"
        if suite == "medium":
            return "tests/faults/superdb-pool-medium", build.medium, "superdb-pool-medium"
        return "tests/faults/superdb-server-faults", build.server, "superdb-server-faults"

    def command(self, suite, what, program):
        """(what to run, its environment). Integration tests find programs where a build directory has them."""
        if suite == "crash":
            return [program, what], {}
        if suite == "long":
            return [program, *DEEP[0], "--seed", str(what[0]), what[1]], {}
        if suite in ("unit", "faults"):
            return [program], {}
        file, _, name = what.partition(":")
        built = self.build.directory
        environment = {"SUPERDB_BUILD_DIR": self.home, "SUPERDB_POOL": os.path.join(built, "superdb-pool"),
                       "SUPERDB_SERVER": program if suite == "server" else os.path.join(built, "superdb-server")}
        return [sys.executable, os.path.join(self.build.root, "tests", "integration", file), *([name] if name else [])], environment

    def scenarios(self, mutant):
        program = os.path.join(self.build.directory, "tests", "crash_images")
        every = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
        first = [*(mutant.order if mutant else ()), *SCENARIOS_FIRST]
        return [s for s in dict.fromkeys(first) if s in every] + [s for s in every if s not in first]

    def suite(self, mutant, suite, what, seconds=None):
        name, objects, target = self.made_of(suite, what)
        program, why = self.program(name, objects, mutant, self.build.libraries(target))
        if not program:
            return Verdict(True, "compiler", "none", 0, why)
        command, environment = self.command(suite, what, program)
        red = self.run(command, seconds or (CPU_LIMIT_DEEP if suite == "long" else CPU_LIMIT), environment)
        if not red:
            return Verdict(False)
        said = {"crash": what, "unit": f"unit_{what}", "faults": f"faults_{what}"}.get(suite, what[-1] if suite == "long" else what)
        return Verdict(True, COLUMN.get(suite, suite), red[0], 0, f"{said}: {red[1]}", (suite, what))

    def judge(self, mutant, suites, limit=None):
        """Runs the suites up to the first that is red; limit(suite, what): its seconds of CPU."""
        path = os.path.join(self.tree, mutant.path)
        self.write(path, mutant.text)
        self.compiled.clear()
        self.linked.clear()
        begun = time.monotonic()
        verdict = None
        try:
            for suite, what in suites:
                found = self.suite(mutant, suite, what, limit(suite, what) if limit else None)
                if found.judge == "compiler" and found.detail == SAME_CODE:
                    verdict = verdict or found  # of this program: others may be compiled from it, too
                    continue
                if found.killed and suite in REPEATED and found.how not in ("none", "hang"):
                    found = self.suite(mutant, suite, what, limit(suite, what) if limit else None)
                verdict = found
                if found.killed:
                    break
            verdict = verdict or Verdict(False, detail="nothing that runs comes to it")
            verdict.seconds = time.monotonic() - begun
            return verdict
        finally:
            self.write(path, self.contents(os.path.join(self.build.root, mutant.path)).decode())

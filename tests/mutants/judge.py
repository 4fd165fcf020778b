# SPDX-License-Identifier: BSD-3-Clause
"""judge.py - builds the crash images, and unit tests, with one source changed, and says whether they turn red

A Judge has a copy of the sources of its own, compiles what the change reaches with the build's own commands, and links it
with the build's other objects. Verdicts are the harness's words: an image failed, a word was left that is not durable, the
engine answered with an error, a signal, a hang.
"""
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

CPU_LIMIT = 30    # seconds of a scenario or test; the longest takes 5
WALL_LIMIT = 240  # where all threads wait for each other
FLAGS = ["-O1", "-g0", "-w", "-ftrivial-auto-var-init=zero"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
SCENARIOS_FIRST = ("reopen", "kinds", "databases", "random", "creation", "threads", "expiry", "batches", "splits", "growth",
                   "transactions", "reopen-eadr", "threads-pages", "reopen-pages", "nested", "extents")
SAME_CODE = "the compiled code is the same"
DEEP = (["--every", "1", "--states", "512", "--random", "96", "--lines", "24"], (20231114, 2, 3, 4))


class Verdict:
    def __init__(self, killed, judge="", how="", seconds=0.0, detail=""):
        self.killed, self.judge, self.how, self.seconds, self.detail = killed, judge, how, seconds, detail


class Build:
    """What a build directory says about its objects."""

    def __init__(self, root, directory):
        self.root, self.directory = root, directory
        self.commands = {}
        for entry in json.load(open(os.path.join(directory, "compile_commands.json"), encoding="utf-8")):
            arguments = shlex.split(entry["command"])
            output = os.path.join(entry["directory"], arguments[arguments.index("-o") + 1])
            self.commands[output] = (arguments, os.path.relpath(entry["file"], root))
        self.engine = self.objects("/sdb_crashtest_engine.dir/")
        self.crash = self.engine + self.objects("/sdb_crashtest.dir/") + self.objects("/crash_images.dir/")
        self.layers = self.objects("/sdb_base.dir/", "/sdb_pmem.dir/", "/sdb_store.dir/", "/sdb_resp.dir/")

    def objects(self, *folders):
        return sorted(o for o in self.commands if any(f in o for f in folders))

    def test_objects(self, test):
        return self.objects(f"/test_{test}.dir/")

    def reached(self, path, objects):
        """The objects whose source is this file, or includes it."""
        if path.endswith(".c"):
            return [o for o in objects if self.commands[o][1] == path]
        names = {os.path.basename(path)}
        headers = {}
        for folder in ("pmem", "src/store"):
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
        self.unchanged = {}  # object -> its bytes, compiled from the source as it is

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)

    # ---- building ----

    def compile(self, output, arguments):
        arguments = [a.replace(self.build.root + "/", self.tree + "/") for a in arguments]
        arguments[arguments.index("-o") + 1] = output
        arguments = [a for a in arguments if a != "-Werror"] + FLAGS
        return subprocess.run(arguments, capture_output=True, text=True, cwd=self.build.directory)

    def program(self, name, objects, mutant, libraries):
        """Links objects with those that the mutant reaches compiled anew; (path, None) or (None, why not)."""
        compiler = None
        replaced = []
        same = True
        reached = self.build.reached(mutant.path, objects) if mutant else []
        for number, original in enumerate(objects):
            arguments = self.build.commands[original][0]
            compiler = arguments[0]
            if original not in reached:
                replaced.append(original)
                continue
            output = os.path.join(self.home, f"{name}-{number}.o")
            result = self.compile(output, arguments)
            if result.returncode != 0:
                return None, result.stderr.strip().split("\n")[0]
            replaced.append(output)
            same = same and self.contents(output) == self.unchanged_contents(mutant, original, output)
        if reached and same:
            return None, SAME_CODE
        path = os.path.join(self.home, name)
        result = subprocess.run([compiler, "-o", path, *replaced, *libraries], capture_output=True, text=True)
        if result.returncode != 0:
            raise RuntimeError("the build directory does not fit: " + result.stderr.strip())
        return path, None

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

    def run(self, command):
        """(how, detail) where it is red, None where it is green."""
        def limits():
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT + 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=WALL_LIMIT, cwd=self.home,
                                  preexec_fn=limits, env={**os.environ, "TMPDIR": self.home})
        except subprocess.TimeoutExpired:
            return "hang", f"{WALL_LIMIT} s"
        output = done.stdout + done.stderr
        if done.returncode == 0:
            return None
        if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return "hang", f"{CPU_LIMIT} s of CPU"
        if done.returncode < 0:
            return "signal", signal.Signals(-done.returncode).name
        failed = re.search(r"FAILED \S+: (.*)", output)
        if failed and "an operation has ended, and the word" in failed.group(1):
            return "not durable", failed.group(1)
        if failed and re.search(r"\bpoint \d+\b|crash|image", failed.group(1)):
            return "image", failed.group(1)
        if failed:
            return "error", failed.group(1)
        claims = re.findall(r"\[  FAILED  \] (\w+)$", output, re.M)
        lines = [line for line in output.strip().split("\n") if line]
        return "test" if claims else "error", claims[0] if claims else lines[-1] if lines else ""

    def crash(self, mutant, deep=False, only=None):
        program, why = self.program("crash", self.build.crash, mutant, ["-lpmem", "-lxxhash", "-pthread", "-lm"])
        if not program:
            return Verdict(True, "compiler", "none", 0, why)
        scenarios = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
        first = list(mutant.order) if mutant else []
        first += [s for s in SCENARIOS_FIRST if s not in first]
        scenarios = [s for s in first if s in scenarios] + [s for s in scenarios if s not in first]
        begun = time.monotonic()
        for seed in DEEP[1] if deep else (None,):
            for scenario in only or scenarios:
                options = [*DEEP[0], "--seed", str(seed)] if deep else []
                red = self.run([program, *options, scenario])
                if red:
                    return Verdict(True, "crash images" + (", long" if deep else ""), red[0], time.monotonic() - begun,
                                   f"{scenario}: {red[1]}")
        return Verdict(False, seconds=time.monotonic() - begun)

    def unit(self, mutant, tests):
        begun = time.monotonic()
        for test in tests:
            libraries = ["-lcmocka", "-lpmem", "-lxxhash", "-luring", "-pthread", "-lm"]
            objects = self.build.test_objects(test) + self.build.layers
            program, why = self.program("unit", objects, mutant, libraries)
            if not program:
                return Verdict(True, "compiler", "none", 0, why)
            red = self.run([program])
            if red:
                return Verdict(True, f"unit_{test}", red[0], time.monotonic() - begun, red[1])
        return Verdict(False, seconds=time.monotonic() - begun)

    def judge(self, mutant, deep, tests, behind_the_seam):
        """The crash images first, with short runs; then unit tests; long runs last."""
        path = os.path.join(self.tree, mutant.path)
        self.write(path, mutant.text)
        try:
            verdict = Verdict(False) if behind_the_seam else self.crash(mutant)
            if not verdict.killed and deep and not behind_the_seam:
                verdict = self.crash(mutant, deep=True)
            if not verdict.killed:
                verdict = self.unit(mutant, tests)
            return verdict
        finally:
            self.write(path, self.contents(os.path.join(self.build.root, mutant.path)).decode())

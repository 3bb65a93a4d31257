"""Whole Python processes, timed from start to end: imports and starts are paid as processes.

Their instructions are counted, too: these are as many on a machine that has more to do.
"""

import atexit
import functools
import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.rig.report import Answer, Plan, in_turns


def missing(*modules: str) -> bool:
    """Tell whether a module that a row needs is not installed."""
    return any(importlib.util.find_spec(module) is None for module in modules)


def worker(module: str, order: dict[str, Any]) -> Any:  # noqa: ANN401  # whatever JSON it prints
    """Run a module with an order in JSON; return the JSON it prints, `None` if it failed."""
    command = [sys.executable, "-m", module, json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        print(f"  ({order}: {last})", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def milliseconds(code: str, environment: dict[str, str]) -> tuple[float, float | None]:
    """Run `code` in a process, which must succeed; return its wall time and its CPU time."""
    command = [sys.executable, "-c", code]
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=environment)
    usage = None
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = (time.perf_counter() - begun) * 1e3 if process.wait() == 0 else None
    if wall is None:
        raise subprocess.CalledProcessError(process.returncode, command)
    return wall, (usage.ru_utime + usage.ru_stime) * 1e3 if usage else None


def instructions(command: list[str], environment: dict[str, str] | None = None) -> int | None:
    """Count a process's instructions, by `perf stat`, else callgrind; `None` without both."""
    for tool, pattern in (
        (["perf", "stat", "-x,", "-e", "instructions:u"], rb"^(\d+),"),
        (["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"], rb"Collected : (\d+)"),
    ):
        if shutil.which(tool[0]) is None:
            continue
        done = subprocess.run([*tool, *command], capture_output=True, check=False, env=environment)
        found = re.search(pattern, done.stderr, re.MULTILINE)
        if done.returncode == 0 and found:
            return int(found[1])
    return None


def count_instructions(
    answer: Answer, codes: dict[str, str], environment: dict[str, str] | None = None
) -> Answer:
    """Count the instructions of each code once; its modules are compiled before."""
    surroundings = {**compiled_once(), **(environment or {})}
    for row, code in codes.items():
        milliseconds(code, surroundings)
        counted = instructions([sys.executable, "-c", code], surroundings)
        if counted is not None:
            answer.add(row, "count", counted)
    return answer


def compiled_once() -> dict[str, str]:
    """Return the environment of processes whose modules are compiled by the first run alone.

    For all rows alike, as pip compiles what it installs, and never into the source tree.
    """
    surroundings = {**os.environ, "PYTHONPYCACHEPREFIX": _bytecode()}
    surroundings.pop("PYTHONDONTWRITEBYTECODE", None)
    return surroundings


def time_processes(
    answer: Answer, plan: Plan, codes: dict[str, str], environment: dict[str, str] | None = None
) -> Answer:
    """Time each code in turns; in one round the median of a few runs, the first left out.

    CPU time is the steadier figure on a machine that has more to do.
    """
    repeats = 1 if plan.quick else 5
    surroundings = {**compiled_once(), **(environment or {})}
    for code in codes.values():
        milliseconds(code, surroundings)

    def measure(row: str) -> None:
        runs = [milliseconds(codes[row], surroundings) for _ in range(repeats)]
        answer.add(row, "wall ms", statistics.median(wall for wall, _ in runs))
        cpu = [spent for _, spent in runs if spent is not None]
        if cpu:
            answer.add(row, "CPU ms", statistics.median(cpu))

    in_turns(list(codes), plan.rounds, measure)
    return answer


@functools.cache
def _bytecode() -> str:
    folder = tempfile.mkdtemp(prefix="bench-bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

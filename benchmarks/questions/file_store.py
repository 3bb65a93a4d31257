"""What do sealing and safety cost over bare files?

A save against the bare temp file, fsync, rename and directory fsync of the same bytes, and against
the same in a worker thread, as an event loop must do it; a load by a store that has not read the
record before, against reading the bytes.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path

import anyio

from benchmarks.rig.report import Answer, Goal, Plan

US, BARE = "EncryptedFileStore", "bare file of the same bytes"
IN_THREAD = "the same in a worker thread"
SIZE = 2_048  # bytes of a session


def run(plan: Plan) -> dict[str, Answer]:
    """Save and load in turns."""
    answer = Answer("The encrypted file", "microseconds", BARE, goals=_GOALS)
    times = 20 if plan.quick else 200
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(plan.rounds):
            for column, figures in anyio.run(_round, Path(folder), times).items():
                for row, figure in figures.items():
                    answer.add(row, column, figure)
    return {"file_store": answer}


_GOALS = (
    Goal("a save against the bare one", US, BARE, 1.3, column="save"),
    Goal("a load against reading", US, BARE, 10, column="load"),
)


async def _round(folder: Path, times: int) -> dict[str, dict[str, float]]:
    from amplify_federation import EncryptedFileStore

    store = EncryptedFileStore(folder / "sealed", key=b"k" * 32)
    data, version = os.urandom(SIZE), None
    found = await store.read("session")
    version = found.version if found else None
    saves, bare_saves, saves_in_thread, loads, bare_loads = [], [], [], [], []
    clock = time.perf_counter
    for _ in range(times):
        begun = clock()
        version = await store.compare_and_set("session", data, expected=version)
        saves.append(clock() - begun)
        sealed = _largest(folder / "sealed").read_bytes()
        begun = clock()
        _bare_save(folder / "bare", sealed)
        bare_saves.append(clock() - begun)
        begun = clock()
        await anyio.to_thread.run_sync(_bare_save, folder / "bare", sealed)
        saves_in_thread.append(clock() - begun)
        stranger = EncryptedFileStore(folder / "sealed", key=b"k" * 32)
        begun = clock()
        record = await stranger.read("session")
        loads.append(clock() - begun)
        assert record is not None
        assert record.data == data
        begun = clock()
        (folder / "bare").read_bytes()
        bare_loads.append(clock() - begun)
    return {
        "save": {US: _us(saves), IN_THREAD: _us(saves_in_thread), BARE: _us(bare_saves)},
        "load": {US: _us(loads), BARE: _us(bare_loads)},
    }


def _largest(folder: Path) -> Path:
    return max(folder.rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)


def _bare_save(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _us(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1e6

"""What is left when a writer is killed, or the disk fails under it.

The suite runs a short form. The long form:

    AMPLIFY_FEDERATION_LONG_TESTS=1 python -m pytest tests/stores/test_crash.py -n0 -s
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from amplify_federation.errors import StoreError, StoreUnavailableError
from amplify_federation.stores import _file_records
from amplify_federation.stores.file import EncryptedFileStore

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals and fork are POSIX's"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),  # 3.12, forks with threads
]
LONG = bool(os.environ.get("AMPLIFY_FEDERATION_LONG_TESTS"))
NAME = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768/default"
OLD, NEW = b"old " * 500, b"new " * 700
SAVED, TOLD, WRONG = 0, 10, 20


def forked(work):
    """Run `work` in a child of this process, which ends with what it returns."""
    pid = os.fork()
    if pid:
        return pid
    try:
        code = work()
    except BaseException:  # noqa: BLE001 - whatever it was, the child must not go on as a pytest
        traceback.print_exc()
        code = WRONG
    os._exit(code)


def read(folder):
    store = EncryptedFileStore(folder)

    async def both():
        record = await store.read(NAME)
        return None if record is None else record.data

    return anyio.run(both)


def write(folder, data):
    anyio.run(save, folder, data)


async def save(folder, data):
    store = EncryptedFileStore(folder)
    present = await store.read(NAME)
    expected = present.version if present else None
    await store.compare_and_set(NAME, data, expected=expected)


def check_rest(folder, allowed, monkeypatch):
    """A next start finds one of the allowed contents, no rest of the dead, and a free lock."""
    found = read(folder)
    assert found in allowed
    with monkeypatch.context() as patch:
        patch.setattr(_file_records, "_WRITE_PATIENCE", 0)
        write(folder, found or b"next")
        if found is None:
            anyio.run(clear, folder)
    # The first write of a process collects the rests of the dead.
    assert not [path.name for path in folder.iterdir() if path.suffix in {".tmp", ".corrupt"}]
    return found


async def clear(folder):
    await EncryptedFileStore(folder).delete(NAME, expected=None)


def loop(folder, acknowledge):
    """Federate, renew, and clear, telling what was done, until killed."""

    async def go_on():
        store = EncryptedFileStore(folder)
        present = await store.read(NAME)
        version = present.version if present else None
        count = int(present.data.split()[0]) if present else 0
        while True:
            count += 1
            async with store.lock(NAME, timeout=10):
                if count % 7:
                    data = b"%d " % count * 300
                    version = await store.compare_and_set(NAME, data, expected=version)
                else:
                    await store.delete(NAME, expected=version)
                    version = None
            os.write(acknowledge, b"%d\n" % count)

    anyio.run(go_on)


def content(count):
    return b"%d " % count * 300 if count % 7 else None


def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new(tmp_path, monkeypatch):
    """60 kills, 1,000 in the long form; each tenth during the very first start."""
    kills = 1000 if LONG else 60
    chance = random.Random()  # noqa: S311 - moments, not secrets
    folder, known = tmp_path / "0" / "store", 0
    write(folder, content(1))
    known = 1
    for kill in range(kills):
        if kill % 10 == 9:
            folder, known = tmp_path / str(kill) / "store", 0
        reading, writing = os.pipe()
        pid = forked(lambda folder=folder, to=writing: loop(folder, to))
        os.close(writing)
        with os.fdopen(reading, "rb") as acknowledged:
            for _ in range(chance.randrange(4)):
                known = int(acknowledged.readline())
            for _ in range(chance.randrange(3000)):
                os.sched_yield()
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            assert os.WTERMSIG(status) == signal.SIGKILL
            for line in acknowledged:
                known = int(line)
        allowed = {content(count) if count else None for count in (known, known + 1)}
        found = check_rest(folder, allowed, monkeypatch)
        known = int(found.split()[0]) if found else 0
    print(f"{kills} kills: nothing corrupt, nothing lost, nothing left over")


def attached(pid, inject, log):
    """Let strace fail a system call of a process."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-p", str(pid), "-o", str(log), "-e", f"inject={inject}"],
        stderr=subprocess.PIPE,
    )
    while f"TracerPid:\t{tracer.pid}" not in Path(f"/proc/{pid}/status").read_text():
        if tracer.poll() is not None:
            pytest.skip(f"strace: {tracer.stderr.read().decode()}")
        os.sched_yield()
    return tracer


def save_under(folder, inject, log):
    """Save in a child whose system calls fail; return how it ended, and whether one did."""
    waiting, go = os.pipe()

    async def save_and_end():
        try:
            await save(folder, NEW)
        except StoreError as error:
            os._exit(WRONG if error.__context__ else TOLD)
        os._exit(SAVED)  # here, for the faults of closing an event loop are not ours

    def wait_and_save():
        os.read(waiting, 1)
        anyio.run(save_and_end)

    pid = forked(wait_and_save)
    tracer = attached(pid, inject, log)
    os.write(go, b"!")
    _, status = os.waitpid(pid, 0)
    tracer.communicate()
    os.close(waiting)
    os.close(go)
    injected = "INJECTED" in log.read_text() or os.WIFSIGNALED(status)
    return status, injected


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("call", ["openat", "write", "fsync", "close", "rename", "flock", "fchmod"])
@pytest.mark.parametrize("fault", ["error=EIO", "error=ENOSPC", "signal=KILL"])
def test_a_save_whose_system_call_fails_leaves_the_old_or_the_new(
    tmp_path, monkeypatch, call, fault
):
    """Each call of the kind in turn, until a save makes no more of them."""
    folder = tmp_path / "store"
    write(folder, OLD)
    outcomes = set()
    for number in range(1, 100):
        status, injected = save_under(folder, f"{call}:{fault}:when={number}", tmp_path / "log")
        if not injected:
            assert os.WEXITSTATUS(status) == SAVED
            assert outcomes, f"a save makes no {call}"
            return
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            outcomes.add("killed")
        else:
            assert os.WEXITSTATUS(status) in {SAVED, TOLD}
            outcomes.add(os.WEXITSTATUS(status))
        allowed = {NEW} if os.WIFEXITED(status) and os.WEXITSTATUS(status) == SAVED else {OLD, NEW}
        check_rest(folder, allowed, monkeypatch)
        write(folder, OLD)
    pytest.fail(f"a save makes more than 99 calls of {call}")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:  # noqa: PLW1510 - the code is looked at
        pytest.skip("mounting is not allowed")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk):
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


def test_a_full_disk_leaves_the_old(small_disk, monkeypatch):
    folder = small_disk / "store"
    write(folder, OLD)
    ballast = fill(small_disk)
    with pytest.raises(StoreUnavailableError, match="ENOSPC"):
        write(folder, NEW)
    assert read(folder) == OLD
    ballast.unlink()
    check_rest(folder, {OLD}, monkeypatch)
    write(folder, NEW)
    assert read(folder) == NEW


def test_a_disk_that_is_full_from_the_start_is_told(small_disk):
    fill(small_disk)
    with pytest.raises(StoreUnavailableError, match="ENOSPC"):
        write(small_disk / "store", NEW)
    assert not [path for path in small_disk.rglob("*") if re.search(r"\.tmp$", path.name)]

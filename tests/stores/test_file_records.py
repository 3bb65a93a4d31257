import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial

import anyio
import pytest

from amplify_federation._files import file_checks, lock
from amplify_federation.errors import (
    StoreConflictError,
    StoreLockedError,
    StoreUnavailableError,
    UnsafePermissionsError,
)
from amplify_federation.stores import _file_records
from amplify_federation.stores._file_records import FileRecords
from tests.files.strange_files import (
    place_fifo,
    place_folder,
    place_hard_link,
    place_link,
    place_open_file,
    precious_file,
)

NAME = "us-west-2:pool/default"
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and signals are POSIX's")


@pytest.fixture
def store(tmp_path):
    return FileRecords(tmp_path / "store")


def record_file(store):
    (path,) = store.path.glob("*.session")
    return path


@pytest.fixture
def slow_disk(monkeypatch):
    """Let the next fsync wait until it is told to go on."""
    begun, go_on = threading.Event(), threading.Event()
    real = os.fsync

    def fsync(descriptor):
        begun.set()
        assert go_on.wait(30)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    yield begun, go_on
    go_on.set()


async def test_constructing_and_reading_make_no_folder(store, tmp_path):
    assert await store.read(NAME) is None
    await store.delete(NAME, expected=None)
    assert [record async for record in store.records()] == []
    assert not list(tmp_path.iterdir())


async def test_a_write_waits_a_bounded_time_for_its_lock_and_names_the_owner(store, monkeypatch):
    await store.compare_and_set(NAME, b"one", expected=None)
    monkeypatch.setattr(_file_records, "_WRITE_PATIENCE", 0.05)
    with lock.hold_blocking(lock.lock_of(record_file(store)), timeout=0):
        with pytest.raises(StoreLockedError, match=f"process {os.getpid()} "):
            await store.compare_and_set(NAME, b"two", expected=None)
        assert (await store.read(NAME)).data == b"one"  # reading takes no lock


async def test_a_write_does_not_wait_for_a_lease(store):
    async with store.lock(NAME, timeout=0):
        await store.compare_and_set(NAME, b"one", expected=None)
        await store.delete(NAME, expected=None)


async def test_a_save_that_is_cancelled_in_a_scope_is_whole(store, slow_disk):
    begun, go_on = slow_disk
    go_on.set()
    await store.make()
    go_on.clear()
    begun.clear()

    async def end():
        await anyio.to_thread.run_sync(begun.wait)
        scope.cancel()
        go_on.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end)
        with anyio.CancelScope() as scope:
            await store.compare_and_set(NAME, b"new", expected=None)
    assert (await store.read(NAME)).data == b"new"
    await store.compare_and_set(NAME, b"newer", expected=(await store.read(NAME)).version)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # it alone cancels through threads
async def test_a_save_whose_task_is_cancelled_keeps_its_lock_until_it_is_whole(
    store, slow_disk, monkeypatch, anyio_backend
):
    begun, go_on = slow_disk
    go_on.set()
    first = await store.compare_and_set(NAME, b"old", expected=None)
    go_on.clear()
    begun.clear()
    task = asyncio.create_task(store.compare_and_set(NAME, b"new", expected=first))
    await anyio.to_thread.run_sync(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with monkeypatch.context() as patch:
        patch.setattr(_file_records, "_WRITE_PATIENCE", 0)
        with pytest.raises(StoreLockedError):
            await store.compare_and_set(NAME, b"stale", expected=first)
    assert (await store.read(NAME)).data == b"old"
    go_on.set()
    with pytest.raises(StoreConflictError):  # it waits for the lock, and finds the new one
        await store.compare_and_set(NAME, b"stale", expected=first)
    assert (await store.read(NAME)).data == b"new"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_save_cancelled_before_it_began_leaves_the_old_and_frees_its_lock(
    store, anyio_backend
):
    first = await store.compare_and_set(NAME, b"old", expected=None)
    limiter = anyio.to_thread.current_default_thread_limiter()
    before = limiter.total_tokens
    limiter.total_tokens = 1
    await limiter.acquire_on_behalf_of("everybody else")
    task = asyncio.create_task(store.compare_and_set(NAME, b"new", expected=first))
    while not limiter.statistics().tasks_waiting:
        await anyio.lowlevel.checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    limiter.release_on_behalf_of("everybody else")
    limiter.total_tokens = before
    await store.compare_and_set(NAME, b"newer", expected=first)


async def test_a_file_too_large_is_set_aside_unread_and_logged_once(store, caplog):
    await store.compare_and_set(NAME, b"one", expected=None)
    path = record_file(store)
    with path.open("r+b") as file:
        file.truncate(1 << 30)
    for _ in range(2):
        assert await store.read(NAME) is None
    assert len(caplog.records) == 1
    assert path.with_name(path.name + ".corrupt").stat().st_size == 1 << 30
    await store.compare_and_set(NAME, b"two", expected=None)
    await store.delete(NAME, expected=None)
    assert not list(store.path.glob("*.corrupt"))


async def test_a_file_too_large_is_replaced_by_a_write(store):
    await store.compare_and_set(NAME, b"one", expected=None)
    with record_file(store).open("r+b") as file:
        file.truncate(1 << 30)
    await store.compare_and_set(NAME, b"two", expected=None)
    assert (await store.read(NAME)).data == b"two"


async def test_only_the_expected_version_is_set_aside(store):
    version = await store.compare_and_set(NAME, b"one", expected=None)
    assert await store.set_aside(NAME, expected="another") is None
    assert (await store.read(NAME)).data == b"one"
    assert await store.set_aside(NAME, expected=version) is not None
    assert await store.read(NAME) is None


async def test_what_was_set_aside_is_deleted_even_without_a_record(store):
    version = await store.compare_and_set(NAME, b"one", expected=None)
    await store.set_aside(NAME, expected=version)
    await store.delete(NAME, expected=None)
    assert not list(store.path.glob("*.corrupt"))


def test_where_no_thread_can_be_started_nothing_is_made_or_changed(store, run_without_threads):
    async def refused(*calls):
        for call in calls:
            with pytest.raises(StoreUnavailableError, match="no further thread") as caught:
                await call()
            assert "`ulimit -u`" in caught.value.recovery_suggestion
            assert caught.value.__context__ is None
        return await store.read(NAME)

    lease = partial(store.lock, NAME, timeout=0)
    write = partial(store.compare_and_set, NAME, b"two", expected=None)
    calls = (write, store.check_writable, lambda: lease().__aenter__())
    assert run_without_threads(lambda: refused(*calls)) is None
    assert not store.path.exists()
    anyio.run(partial(store.compare_and_set, NAME, b"one", expected=None))
    calls = (
        write, store.check_writable, lambda: anext(store.records()),
        partial(store.delete, NAME, expected=None),
        partial(store.discard_set_aside, NAME),
    )  # fmt: skip
    assert run_without_threads(lambda: refused(*calls)).data == b"one"
    lock.try_lock(lock.lock_of(record_file(store))).release()


async def test_a_folder_that_was_removed_is_made_again(store):
    await store.compare_and_set(NAME, b"one", expected=None)
    store.path.rename(store.path.with_name("kept"))
    assert await store.read(NAME) is None
    await store.compare_and_set(NAME, b"two", expected=None)
    assert (await FileRecords(store.path).read(NAME)).data == b"two"
    assert (await store.read(NAME)).data == b"two"


async def test_a_folder_that_another_process_made_anew_is_noticed(store):
    await store.compare_and_set(NAME, b"one", expected=None)
    store.path.rename(store.path.with_name("kept"))
    await FileRecords(store.path).compare_and_set(NAME, b"two", expected=None)
    assert (await store.read(NAME)).data == b"two"


async def test_a_folder_made_anew_is_noticed_even_if_it_has_the_inode_of_the_one_before(
    store, monkeypatch
):
    monkeypatch.setattr("amplify_federation._files.folder_checks.folder_identity", lambda _: (1, 2))
    await store.compare_and_set(NAME, b"one", expected=None)
    shutil.rmtree(store.path)
    other = FileRecords(store.path)
    version = await other.compare_and_set(NAME, b"two", expected=None)
    assert (await store.read(NAME)).data == b"two"
    await store.compare_and_set(NAME, b"three", expected=version)
    assert (await other.read(NAME)).data == b"three"


async def test_records_are_read_a_few_at_a_time(store, monkeypatch):
    monkeypatch.setattr(_file_records, "_BATCH", 2)
    for number in range(5):
        await store.compare_and_set(f"name-{number}", b"%d" % number, expected=None)
    read = []
    whole = file_checks.read_file
    monkeypatch.setattr(file_checks, "read_file", lambda *args: read.append(1) or whole(*args))
    records = store.records()
    first = await anext(records)
    assert len(read) == 2
    assert sorted([first, *[each async for each in records]]) == [b"0", b"1", b"2", b"3", b"4"]


@posix
async def test_a_folder_opened_to_others_is_refused_at_the_next_write(store):
    version = await store.compare_and_set(NAME, b"one", expected=None)
    store.path.chmod(0o755)
    with pytest.raises(UnsafePermissionsError, match="chmod 700"):
        await store.compare_and_set(NAME, b"two", expected=version)
    with pytest.raises(UnsafePermissionsError):
        await FileRecords(store.path).read(NAME)


@posix
@pytest.mark.parametrize("suffix", ["", ".lock", ".lease", ".corrupt"])
@pytest.mark.parametrize(
    "place", [place_link, place_hard_link, place_fifo, place_folder, place_open_file]
)
async def test_nothing_strange_is_followed_at_any_path(store, tmp_path, place, suffix):
    version = await store.compare_and_set(NAME, b"one", expected=None)
    elsewhere = precious_file(tmp_path / "elsewhere")
    path = record_file(store)
    strange = path.with_name(path.name + suffix)
    strange.unlink(missing_ok=True)
    place(strange, elsewhere)
    try:
        async with store.lock(NAME, timeout=0):
            await store.read(NAME)
        await store.compare_and_set(NAME, b"two", expected=version)
        await store.set_aside(NAME, expected=(await store.read(NAME)).version)
        await store.delete(NAME, expected=None)
    except UnsafePermissionsError as error:
        refused = error
    else:
        refused = None
    assert elsewhere.read_bytes() == b"precious"
    # What is only ever renamed over or unlinked needs no refusal.
    assert refused or (suffix == ".corrupt" and place is not place_folder)


@posix
async def test_a_clear_removes_whatever_stands_in_the_records_place(store, tmp_path):
    await store.compare_and_set(NAME, b"one", expected=None)
    path = record_file(store)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    path.unlink()
    path.symlink_to(elsewhere)
    await store.delete(NAME, expected=None)
    assert not path.is_symlink()
    assert elsewhere.read_bytes() == b"precious"


@pytest.mark.parametrize("call", ["open", "fsync", "write"])
async def test_a_fault_of_the_disk_is_typed_leaves_the_old_and_frees_the_lock(
    store, monkeypatch, call
):
    version = await store.compare_and_set(NAME, b"old", expected=None)
    real = getattr(os, call)

    def fail(*args, **kwargs):
        if call == "open" and not str(args[0]).endswith(".tmp"):
            return real(*args, **kwargs)
        raise OSError(5, "canary")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(StoreUnavailableError, match="EIO") as caught:
            await store.compare_and_set(NAME, b"new", expected=version)
    assert caught.value.__context__ is None
    assert not list(store.path.glob("*.tmp"))
    assert (await store.read(NAME)).data == b"old"
    await store.compare_and_set(NAME, b"new", expected=version)


UPDATER = """
import sys, time
import anyio
from pathlib import Path
from amplify_federation.errors import StoreConflictError
from amplify_federation.stores._file_records import FileRecords

async def main():
    store, waits = FileRecords(Path(sys.argv[1])), []
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        while True:
            record = await store.read("counter")
            began = time.perf_counter()
            try:
                await store.compare_and_set(
                    "counter", b"%d" % (int(record.data) + 1), expected=record.version)
            except StoreConflictError:
                continue
            finally:
                waits.append(time.perf_counter() - began)
            break
    print(*waits)

anyio.run(main)
"""


def test_no_update_is_lost_among_processes(store):
    """8 processes x 200 with AMPLIFY_FEDERATION_LONG_TESTS; prints the p99 of a write."""
    long = bool(os.environ.get("AMPLIFY_FEDERATION_LONG_TESTS"))
    processes, updates = (8, 200) if long else (4, 15)
    anyio.run(partial(store.compare_and_set, "counter", b"0", expected=None))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", UPDATER, str(store.path), str(updates)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    for worker in workers:
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
    outputs = [worker.communicate()[0] for worker in workers]
    assert {worker.returncode for worker in workers} == {0}
    assert anyio.run(store.read, "counter").data == b"%d" % (processes * updates)
    waits = sorted(float(wait) for output in outputs for wait in output.split())
    print(f"{len(waits)} writes, p99 {waits[int(len(waits) * 0.99)] * 1000:.1f} ms")


@posix
async def test_a_stopped_writer_is_named(store, monkeypatch):
    await store.compare_and_set(NAME, b"one", expected=None)
    script = (
        "import sys; from pathlib import Path; from amplify_federation._files import lock\n"
        "taken = lock.try_lock(Path(sys.argv[1])); print('taken', flush=True); sys.stdin.read()"
    )
    monkeypatch.setattr(_file_records, "_WRITE_PATIENCE", 0.05)
    path = lock.lock_of(record_file(store))
    with subprocess.Popen(  # noqa: ASYNC220 - it only starts
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        try:
            assert owner.stdout.readline() == b"taken\n"
            owner.send_signal(signal.SIGSTOP)
            with pytest.raises(StoreLockedError, match=f"process {owner.pid} "):
                await store.delete(NAME, expected=None)
        finally:
            owner.kill()
        owner.wait()
        await store.delete(NAME, expected=None)

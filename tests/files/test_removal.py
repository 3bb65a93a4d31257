import os
import time

import pytest

from amplify_federation._files import lock, removal

DAY = 86_400.0


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "0123.bearer"
    path.write_bytes(b"record")
    return path


def names_in(folder):
    return sorted(one.name for one in folder.iterdir())


def age(path):
    past = time.time() - 2 * DAY
    os.utime(path, (past, past))


def remove_old(record):
    removal.remove_old_records(str(record.parent), ".bearer", life=DAY)


def test_a_record_goes_with_its_lease_and_what_was_set_aside(record):
    lock.try_lock(removal.lease_of(record)).release()
    record.with_name("0123.bearer.corrupt").write_bytes(b"damaged")
    removal.remove_record(str(record))
    assert names_in(record.parent) == []
    removal.remove_record(str(record))


def test_a_lease_that_is_owned_stays(record):
    with lock.hold_blocking(removal.lease_of(record), timeout=0):
        removal.remove_record(str(record))
        assert names_in(record.parent) == ["0123.bearer.lease"]


def test_a_lease_is_no_write_lock(record):
    with (
        lock.hold_blocking(removal.lease_of(record), timeout=0),
        lock.hold_blocking(lock.lock_of(record), timeout=0),
    ):
        pass


def test_old_records_go_with_their_lock_files_and_young_ones_stay(record):
    young = record.with_name("4567.bearer")
    young.write_bytes(b"young")
    other = record.with_name("89ab.session")
    other.write_bytes(b"another kind")
    age(other)
    age(record)
    lock.try_lock(lock.lock_of(record)).release()
    remove_old(record)
    assert names_in(record.parent) == ["4567.bearer", "89ab.session"]


def test_an_old_record_that_is_being_written_stays(record):
    age(record)
    with lock.hold_blocking(lock.lock_of(record), timeout=0):
        remove_old(record)
    assert record.exists()


def test_a_record_that_is_written_before_it_is_locked_stays(record, monkeypatch):
    age(record)
    real = lock.try_lock

    def after_a_write(path):
        record.write_bytes(b"new")
        return real(path)

    monkeypatch.setattr(lock, "try_lock", after_a_write)
    remove_old(record)
    assert record.read_bytes() == b"new"


def remove_abandoned(record):
    removal.remove_abandoned(str(record.parent))


def abandoned(record):
    path = record.with_name(f"{record.name}.0123456789abcdef.tmp")
    path.write_bytes(b"half")
    return path


def test_the_temporary_file_of_a_dead_process_goes_and_a_living_ones_stays(record):
    temp = abandoned(record)
    with lock.hold_blocking(lock.lock_of(record), timeout=0):
        remove_abandoned(record)
        assert temp.exists()
    remove_abandoned(record)
    assert names_in(record.parent) == ["0123.bearer", "0123.bearer.lock"]


@pytest.mark.parametrize("remove", [remove_old, remove_abandoned])
def test_one_lock_file_that_is_refused_keeps_no_other_file(record, remove):
    strange = record.with_name("0000.bearer")
    strange.write_bytes(b"first in the listing")
    for each in (strange, record):
        age(each)
        age(abandoned(each))
    strange.with_name("0000.bearer.lock").mkdir()
    remove(record)
    left = {name for name in names_in(record.parent) if not name.startswith("0000.")}
    assert left in (
        {"0123.bearer.0123456789abcdef.tmp"},
        {"0123.bearer", "0123.bearer.lock"},
    )

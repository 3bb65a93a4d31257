import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

from amplify_federation._files import file_checks
from amplify_federation._files.file_checks import as_store_errors, move_aside, store_error, unsafe
from amplify_federation.errors import (
    SessionFileCorruptError,
    StoreUnavailableError,
    UnsafePermissionsError,
)
from tests.cycles import frames_in_cycles
from tests.files.strange_files import (
    as_root,
    follow_advice,
    place_dangling_link,
    place_fifo,
    place_folder,
    place_link,
    place_loop,
    place_socket,
    precious_file,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="owners, modes and links are POSIX's")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a file"
    path.write_bytes(b"content")
    path.chmod(0o600)
    return path


def test_a_file_is_read_with_its_status(path):
    data, status = file_checks.read_file(path, 100)
    assert (data, status.st_size) == (b"content", 7)


def test_no_file_is_none(tmp_path):
    assert file_checks.read_file(tmp_path / "none", 100) is None


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o777, 0o601])
def test_a_file_open_to_others_is_refused_with_the_command_that_mends_it(path, mode):
    path.chmod(mode)
    with pytest.raises(UnsafePermissionsError) as caught:
        file_checks.read_file(path, 100)
    assert f"{mode:04o}" in caught.value.message
    follow_advice(caught.value)
    assert file_checks.read_file(path, 100)[0] == b"content"


@posix
def test_a_hard_link_is_refused_with_the_command_that_mends_it(path):
    os.link(path, path.with_name("twin"))
    with pytest.raises(UnsafePermissionsError) as caught:
        file_checks.read_file(path, 100)
    follow_advice(caught.value)
    assert file_checks.read_file(path, 100)[0] == b"content"


@as_root
def test_a_file_of_another_user_is_refused_with_the_command_that_mends_it(path):
    os.chown(path, 12345, 12345)
    with pytest.raises(UnsafePermissionsError) as caught:
        file_checks.read_file(path, 100)
    # Under `sudo` it is the process that is wrong, and not the file.
    assert "it belongs to user 12345, and this process runs as user 0" in caught.value.message
    follow_advice(caught.value)
    assert file_checks.read_file(path, 100)[0] == b"content"


@posix
@pytest.mark.parametrize(
    "place",
    [place_link, place_dangling_link, place_loop, place_fifo, place_folder, place_socket],
)
def test_what_is_no_regular_file_is_refused_without_waiting_or_following(path, place):
    path.unlink()
    place(path, precious_file(path.with_name("target")))
    with pytest.raises(UnsafePermissionsError) as caught:
        file_checks.read_file(path, 100)
    assert caught.value.__context__ is None
    follow_advice(caught.value)
    assert file_checks.read_file(path, 100) is None
    assert os.path.lexists(f"{path}.aside")


def test_a_gigabyte_is_refused_unread(path, monkeypatch):
    with path.open("r+b") as file:
        file.truncate(1 << 30)
    monkeypatch.setattr(os, "read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(SessionFileCorruptError):
        file_checks.read_file(path, 100)


def test_a_file_of_the_largest_size_is_read(path):
    assert file_checks.read_file(path, 7)[0] == b"content"
    with pytest.raises(SessionFileCorruptError):
        file_checks.read_file(path, 6)


def test_a_fault_of_the_disk_is_named_without_a_chain(path, monkeypatch):
    def fail(*_):
        raise OSError(5, "secret")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(StoreUnavailableError) as caught:
        file_checks.read_file(path, 100)
    assert "EIO" in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_no_descriptor_stays_open(path):
    def opened():
        links = [each for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
        return [each for each in links if os.path.realpath(each) == os.path.realpath(path)]

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc")
    with path.open():
        assert opened()
    file_checks.read_file(path, 100)
    with pytest.raises(SessionFileCorruptError):
        file_checks.read_file(path, 1)
    path.chmod(0o644)
    with pytest.raises(UnsafePermissionsError):
        file_checks.read_file(path, 100)
    assert opened() == []


def test_files_are_listed_by_the_end_of_their_names(path):
    shutil.copy(path, path.with_name("x.session"))
    assert [one.name for one in file_checks.listed(path.parent, ".session")] == ["x.session"]
    with pytest.raises(StoreUnavailableError, match="ENOENT"):
        file_checks.listed(path.parent / "none", ".session")


PATH = Path("/some where/file")


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_fault_names_errno_and_path(number):
    error = store_error(PATH, OSError(number, "text"))
    assert type(error) is StoreUnavailableError
    assert errno.errorcode[number] in error.message
    assert str(PATH) in error.message


def test_a_fault_without_a_number_is_named_by_its_class():
    assert "TimeoutError" in store_error(PATH, TimeoutError()).message


@pytest.mark.parametrize("number", [errno.ELOOP, errno.EISDIR, errno.ENXIO])
def test_what_is_no_file_is_unsafe(number):
    assert isinstance(store_error(PATH, OSError(number, "")), UnsafePermissionsError)


def test_commands_survive_a_shell():
    assert move_aside(PATH) == "mv '/some where/file' '/some where/file'.aside"
    assert unsafe(PATH, "why", "command").message.endswith("run: command")


def test_other_errors_pass_as_they_are():
    @as_store_errors
    def fail(path):
        raise LookupError(path)

    with pytest.raises(LookupError):
        fail(PATH)


def test_an_error_leaves_nothing_to_the_garbage_collector(tmp_path):
    @as_store_errors
    def broken(path):
        raise OSError(errno.EIO, "broken", path)

    with frames_in_cycles() as frames, pytest.raises(StoreUnavailableError):
        broken(tmp_path)
    assert frames == []

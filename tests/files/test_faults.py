import errno
from pathlib import Path

import pytest

from amplify_federation._files.faults import as_store_errors, move_aside, store_error, unsafe
from amplify_federation.errors import StoreUnavailableError, UnsafePermissionsError

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

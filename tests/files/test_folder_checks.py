import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from amplify_federation._files import folder_checks
from amplify_federation._files.folder_checks import folder_identity, make_folder, real_folder
from amplify_federation.errors import (
    ConfigurationError,
    StoreUnavailableError,
    UnsafePermissionsError,
)
from tests.files.strange_files import as_root, follow_advice

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes are POSIX's")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder):
    return sorted(one.name for one in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "above" / "store"
    make_folder(path)
    return path


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_folders_are_made_private_whatever_the_umask(tmp_path, umask):
    path = tmp_path / "a" / "b" / "c"
    before = os.umask(umask)
    try:
        make_folder(path)
    finally:
        os.umask(before)
    assert [mode(one) for one in (path, path.parent, path.parent.parent)] == [0o700] * 3
    assert names_in(tmp_path) == ["a"]
    assert folder_identity(path) is not None


def test_a_folder_that_is_there_is_left_as_it_is(folder):
    (folder / "file").write_bytes(b"")
    make_folder(folder)
    assert (folder / "file").exists()


def test_a_folder_that_another_process_made_meanwhile_is_taken(tmp_path, monkeypatch):
    path = tmp_path / "store"
    path.mkdir(mode=0o700)
    (path / "file").write_bytes(b"")
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    make_folder(path)
    assert names_in(path) == ["file"]


def test_a_folder_whose_maker_died_before_setting_its_mode_is_mended(folder):
    for bits, mended_to in ((0, 0o700), (0o500, 0o500)):
        folder.chmod(bits)
        make_folder(folder)
        assert mode(folder) == mended_to


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailableError, match="ENOTDIR"):
        make_folder(tmp_path / "file" / "store")


def test_no_folder_has_no_identity(tmp_path):
    assert folder_identity(tmp_path / "none") is None


def test_another_folder_of_the_same_name_has_another_identity(folder):
    first = folder_identity(folder)
    folder.rename(folder.with_name("kept"))  # else its inode might be used again
    make_folder(folder)
    assert folder_identity(folder) != first


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o755, 0o710, 0o777])
def test_a_folder_open_to_others_is_refused_with_the_command_that_mends_it(folder, bits):
    folder.chmod(bits)
    with pytest.raises(UnsafePermissionsError) as caught:
        folder_identity(folder)
    follow_advice(caught.value)
    assert folder_identity(folder) is not None


def test_a_link_or_a_file_is_no_folder(folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    file = tmp_path / "file"
    file.write_bytes(b"")
    for path in (link, file):
        with pytest.raises(UnsafePermissionsError):
            folder_identity(path)


def test_links_are_resolved_and_the_real_folder_is_named(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder.parent)
    assert real_folder(tmp_path / "link" / "store") == str(folder)
    assert real_folder(tmp_path / "link") == str(folder.parent)


def test_a_link_of_another_user_is_refused(folder, tmp_path):
    if not hasattr(os, "lchown") or os.geteuid() != 0:
        pytest.skip("only root can give a link away")
    link = tmp_path / "link"
    link.symlink_to(folder)
    os.lchown(link, 54_321, -1)
    with pytest.raises(UnsafePermissionsError) as caught:
        real_folder(link)
    command = caught.value.message.partition("run: ")[2].removeprefix("sudo ")
    subprocess.run(command, shell=True, check=True)  # noqa: S602  # the advice, followed
    assert real_folder(link) == str(folder)


def test_a_path_below_a_home_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a uid without an entry
    with pytest.raises(ConfigurationError, match="no home"):
        real_folder("~/sessions")


def test_a_relative_path_and_a_home_are_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert real_folder(Path("store")) == str(tmp_path / "store")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert real_folder(Path("~/store")) == str(tmp_path / "store")


@pytest.mark.parametrize("bits", [0o720, 0o702, 0o777])
def test_a_folder_above_that_others_write_to_is_refused(folder, bits):
    folder.parent.chmod(bits)
    with pytest.raises(UnsafePermissionsError) as caught:
        folder_identity(folder)
    assert folder_checks.TRUST_VARIABLE in caught.value.message
    follow_advice(caught.value)
    assert folder_identity(folder) is not None


@pytest.mark.parametrize("bits", [0o755, 0o1777, 0o1770])
def test_a_folder_above_may_be_read_by_all_or_be_sticky(folder, bits):
    folder.parent.chmod(bits)
    assert folder_identity(folder) is not None


@as_root
def test_a_folder_of_another_user_is_refused_at_any_height(folder):
    for path in (folder, folder.parent):
        os.chown(path, 12345, 12345)
        with pytest.raises(UnsafePermissionsError) as caught:
            folder_identity(folder)
        assert "12345" in caught.value.message
        follow_advice(caught.value)
    assert folder_identity(folder) is not None


@as_root
def test_the_setting_for_arbitrary_users_leaves_folders_unchecked(folder, monkeypatch):
    folder.parent.chmod(0o777)
    folder.chmod(0o2775)
    os.chown(folder, 12345, 12345)
    monkeypatch.setenv(folder_checks.TRUST_VARIABLE, "1")
    with pytest.raises(UnsafePermissionsError):
        folder_identity(folder)
    monkeypatch.setenv(folder_checks.TRUST_VARIABLE, "True")
    assert folder_identity(folder) is not None


def test_even_so_a_link_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.setenv(folder_checks.TRUST_VARIABLE, "true")
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(UnsafePermissionsError):
        folder_identity(tmp_path / "link")

import os
import re
import shutil
import stat
import subprocess
import sys
from base64 import b64encode

import anyio
import pytest

from amplify_federation._crypto import key_files
from amplify_federation._crypto.kdf import ARGON2ID, NO_DERIVATION
from amplify_federation._crypto.key_files import EnvironmentKey, KeyFile, made_key
from amplify_federation._crypto.keys import MasterKey
from amplify_federation._files import atomic_write
from amplify_federation.errors import (
    ConfigurationError,
    SessionKeyError,
    StoreUnavailableError,
    UnsafePermissionsError,
)
from tests.concurrency import concurrently
from tests.files.processes import answers_of_twenty
from tests.files.strange_files import as_root

KEY = bytes(range(32))
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and fork are POSIX's")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b64encode(KEY) + b"\n")
    path.chmod(0o600)
    return path


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
    monkeypatch.delenv(key_files.KEY_VARIABLE, raising=False)
    monkeypatch.delenv(key_files.KEY_FILE_VARIABLE, raising=False)


async def test_a_key_file_gives_its_key_and_is_read_once(path):
    source = KeyFile(path)
    assert (await source.sealing_key()).master == MasterKey(KEY)
    path.unlink()
    assert await source.opening_keys(NO_DERIVATION) == (MasterKey(KEY),)
    assert await source.opening_keys(ARGON2ID) == ()


@pytest.mark.parametrize("content", [b"", b"short", b64encode(bytes(31)), b"A" * 2000])
async def test_a_key_file_without_a_key_is_a_fault_of_configuration(path, content):
    path.write_bytes(content)
    for create in (False, True):
        with pytest.raises(ConfigurationError):
            await KeyFile(path, create=create).sealing_key()
    assert path.read_bytes() == content


async def test_a_missing_key_file_is_a_missing_key(tmp_path):
    source = KeyFile(tmp_path / "none")
    for ask in (source.sealing_key(), source.opening_keys(NO_DERIVATION)):
        with pytest.raises(SessionKeyError):
            await ask
    assert not list(tmp_path.iterdir())


async def test_a_missing_key_file_is_made_for_sealing_and_not_for_opening(tmp_path):
    path = tmp_path / "made"
    with pytest.raises(SessionKeyError):
        await KeyFile(path, create=True).opening_keys(NO_DERIVATION)
    assert not path.exists()
    made = await KeyFile(path, create=True).sealing_key()
    assert (await KeyFile(path).sealing_key()) == made
    assert len(made.master.reveal()) == 32
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.fixture
def elsewhere(path):
    """Give a key in a folder that others may enter, and that is not root's."""
    folder = path.parent / "open"
    folder.mkdir()
    folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(folder, 54_321, -1)
    key = folder / "key"
    shutil.copy(path, key)
    key.chmod(0o600)
    return key


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o444])
async def test_a_key_file_that_others_may_read_is_refused_and_mended(elsewhere, mode):
    elsewhere.chmod(mode)
    with pytest.raises(UnsafePermissionsError, match="chmod 600") as caught:
        await KeyFile(elsewhere).sealing_key()
    command = caught.value.message.partition("run: ")[2]
    subprocess.run(command, shell=True, check=True)  # noqa: S602, ASYNC221  # the advice, followed
    await KeyFile(elsewhere).sealing_key()


@posix
async def test_a_key_file_that_others_may_write_is_refused_and_mended(path):
    path.chmod(0o620)
    with pytest.raises(UnsafePermissionsError, match="can write") as caught:
        await KeyFile(path).sealing_key()
    command = caught.value.message.partition("run: ")[2]
    subprocess.run(command, shell=True, check=True)  # noqa: S602, ASYNC221  # the advice, followed
    path.parent.chmod(0o700)
    await KeyFile(path).sealing_key()


@posix
@pytest.mark.parametrize("mode", [0o644, 0o440, 0o400, 0o444])
async def test_a_secret_as_kubernetes_docker_and_systemd_mount_it_is_taken(path, mode):
    # key -> ..data/key, ..data -> ..2026_11_27: how Kubernetes exchanges secrets.
    mount = path.parent / "mount"
    (mount / "..2026_11_27").mkdir(parents=True)
    mount.chmod(0o700)  # closed to others, or root's
    shutil.copy(path, mount / "..2026_11_27" / "key")
    (mount / "..2026_11_27").chmod(0o700)
    (mount / "..2026_11_27" / "key").chmod(mode)
    (mount / "..data").symlink_to("..2026_11_27")
    (mount / "key").symlink_to("..data/key")
    assert await KeyFile(mount / "key").sealing_key() == await KeyFile(path).sealing_key()


@posix
async def test_a_key_file_of_another_user_is_refused(elsewhere):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(elsewhere, 54_321, -1)
    with pytest.raises(UnsafePermissionsError, match="this user's or root's"):
        await KeyFile(elsewhere).sealing_key()


@posix
async def test_a_key_file_that_is_a_link_is_refused(path):
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(UnsafePermissionsError):
        await KeyFile(link, create=True).sealing_key()


async def test_a_key_that_cannot_be_written_shows_in_no_frame(tmp_path, monkeypatch):
    texts = []
    real = atomic_write.replace_file

    def failing(path, data):
        texts.append(data)
        return real(f"{path}/no folder", data)

    monkeypatch.setattr(atomic_write, "replace_file", failing)
    with pytest.raises(StoreUnavailableError) as caught:
        await KeyFile(tmp_path / "made", create=True).sealing_key()
    assert texts
    for entry in caught.traceback[1:]:
        assert repr(texts[0]) not in repr(entry.frame.f_locals)
    assert caught.value.__context__ is None


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # 3.12 on forks with threads
def test_twenty_processes_make_one_key(tmp_path):
    path = tmp_path / "made"
    made = answers_of_twenty(lambda: made_key(path).reveal(), tmp_path / "answers")
    assert made == {made_key(path).reveal()}


async def test_many_tasks_make_one_key(tmp_path):
    sources = [KeyFile(tmp_path / "made", create=True) for _ in range(20)]
    keys = await concurrently(*(source.sealing_key() for source in sources))
    assert len({key.master for key in keys}) == 1


async def test_the_environment_gives_a_key(monkeypatch):
    monkeypatch.setenv(key_files.KEY_VARIABLE, b64encode(KEY).decode())
    source = EnvironmentKey()
    assert EnvironmentKey.is_set()
    assert (await source.sealing_key()).master == MasterKey(KEY)
    assert await source.opening_keys(NO_DERIVATION) == (MasterKey(KEY),)
    assert await source.opening_keys(ARGON2ID) == ()


async def test_the_environment_names_a_key_file(monkeypatch, path):
    monkeypatch.setenv(key_files.KEY_FILE_VARIABLE, str(path))
    assert EnvironmentKey.is_set()
    assert (await EnvironmentKey().sealing_key()).master == MasterKey(KEY)


def test_a_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert KeyFile("~/key").path == tmp_path / "key"


async def test_both_variables_are_one_too_many(monkeypatch, path):
    monkeypatch.setenv(key_files.KEY_FILE_VARIABLE, str(path))
    monkeypatch.setenv(key_files.KEY_VARIABLE, b64encode(KEY).decode())
    with pytest.raises(ConfigurationError, match="unset one"):
        await EnvironmentKey().sealing_key()


@pytest.mark.parametrize("text", ["canary", "canary\udcff", b64encode(bytes(16)).decode()])
async def test_a_bad_variable_is_an_error_that_does_not_show_it(monkeypatch, text):
    monkeypatch.setenv(key_files.KEY_VARIABLE, text)
    with pytest.raises(ConfigurationError) as caught:
        await EnvironmentKey().sealing_key()
    assert "canary" not in repr([caught.value, *(e.frame.f_locals for e in caught.traceback[1:])])


async def test_a_variable_that_names_no_file_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv(key_files.KEY_FILE_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="does not exist"):
        await EnvironmentKey().sealing_key()


async def test_no_variable_is_an_error_where_one_was_asked_for():
    assert not EnvironmentKey.is_set()
    with pytest.raises(ConfigurationError, match=r"Neither .* is set"):
        await EnvironmentKey().sealing_key()


@pytest.mark.parametrize("name", [key_files.KEY_VARIABLE, key_files.KEY_FILE_VARIABLE])
async def test_an_empty_variable_is_set_and_is_no_key(monkeypatch, name):
    monkeypatch.setenv(name, "")
    assert EnvironmentKey.is_set()
    with pytest.raises(ConfigurationError, match=f"{name} is set, but empty"):
        await EnvironmentKey().sealing_key()


@pytest.mark.parametrize("text", [None, "", "short"])
async def test_the_way_to_make_a_key_makes_one(monkeypatch, text):
    if text is not None:
        monkeypatch.setenv(key_files.KEY_VARIABLE, text)
    with pytest.raises(ConfigurationError) as caught:
        await EnvironmentKey().sealing_key()
    code = re.search(r"python -c '(.+)'", caught.value.recovery_suggestion).group(1)
    made = await anyio.run_process([sys.executable, "-c", code])
    monkeypatch.setenv(key_files.KEY_VARIABLE, made.stdout.decode().strip())
    assert await EnvironmentKey().sealing_key()


@posix
@as_root
async def test_a_mounted_key_may_be_roots_but_nobody_elses(path):
    os.chown(path, 12345, 12345)
    with pytest.raises(UnsafePermissionsError, match="12345"):
        await KeyFile(path).sealing_key()

import logging
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import anyio
import platformdirs
import pytest

from amplify_federation._crypto import passphrase
from amplify_federation._crypto.envelope import open_header
from amplify_federation._crypto.kdf import Derivation, KeyFunction
from amplify_federation._crypto.key_files import KEY_FILE_VARIABLE, KEY_VARIABLE, KeyFile
from amplify_federation._crypto.keys import KeyRing
from amplify_federation._crypto.passphrase import PassphraseKey
from amplify_federation.errors import (
    ConfigurationError,
    SessionFormatTooNewError,
    SessionKeyError,
    StoreConflictError,
    UnsafePermissionsError,
)
from amplify_federation.stores._file_records import FileRecords
from amplify_federation.stores.file import HOME_VARIABLE, EncryptedFileStore
from tests.files.strange_files import (
    as_root,
    place_fifo,
    place_folder,
    place_hard_link,
    place_link,
    precious_file,
)

KEY, OTHER = bytes(range(32)), bytes(32)
CANARY = b"canary-token"
NAME, ELSE = "us-west-2:pool/default", "us-west-2:pool/else"
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and users are POSIX's")


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
    for name in (KEY_VARIABLE, KEY_FILE_VARIABLE, HOME_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


def records_in(folder):
    return sorted(folder.glob("*.session"))


async def stored(folder, data=CANARY, name=NAME, key=KEY):
    """Write a record and return its file."""
    before = set(records_in(folder))
    store = EncryptedFileStore(folder, key=key)
    await store.compare_and_set(name, data, expected=None)
    (path,) = set(records_in(folder)) - before
    return path


def test_constructing_touches_nothing(folder, tmp_path):
    EncryptedFileStore(folder)
    EncryptedFileStore(str(folder), key=KEY)
    assert not list(tmp_path.iterdir())


def test_a_store_shows_its_folder_and_nothing_else(folder):
    assert repr(EncryptedFileStore(folder, key=KEY)) == f"<EncryptedFileStore {folder}>"
    assert repr(FileRecords(folder)) == f"<FileRecords {folder}>"


def test_the_folder_is_the_argument_else_the_variable_else_the_platforms(folder, monkeypatch):
    assert EncryptedFileStore(folder).path == folder
    assert EncryptedFileStore().path == platformdirs.user_state_path("amplify_federation", False)
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    assert EncryptedFileStore().path == folder
    assert EncryptedFileStore("elsewhere").path == Path("elsewhere")


@pytest.mark.parametrize("path", ["", "a\0b", 5, b"bytes"])
def test_what_can_be_no_path_is_refused(path):
    with pytest.raises(ConfigurationError):
        EncryptedFileStore(path)


async def test_a_session_outlives_its_process_and_its_store(folder):
    await EncryptedFileStore(folder).compare_and_set(NAME, CANARY, expected=None)
    assert (await EncryptedFileStore(folder).read(NAME)).data == CANARY
    script = (
        "import sys, anyio; from amplify_federation.stores.file import EncryptedFileStore\n"
        f"print(anyio.run(EncryptedFileStore(sys.argv[1]).read, {NAME!r}).data.decode())"
    )
    run = await anyio.run_process([sys.executable, "-c", script, str(folder)])
    assert run.stdout.strip() == CANARY


async def test_no_secret_stands_in_any_file_of_the_folder(folder):
    await stored(folder, key=None)
    async with EncryptedFileStore(folder).lock(NAME, timeout=0):
        files = [path.read_bytes() for path in folder.iterdir()]
    assert len(files) >= 5
    for secret in (CANARY, b"us-west-2", b"default"):
        assert not any(secret in content for content in files)


async def test_no_secret_is_ever_written_in_plaintext(folder, monkeypatch):
    written = []
    real = os.write

    def watched(descriptor, data):
        written.append(bytes(data))
        return real(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", watched)
        await stored(folder, key=KEY)
    assert len(written) >= 3  # a secret, the numbers of processes, the record
    for secret in (CANARY, KEY, b64encode(KEY), NAME.encode()):
        assert not any(secret in data for data in written)


@posix
@pytest.mark.parametrize(
    "name", ["master.key", "master.key.lock", "names.secret", "names.secret.lock"]
)
@pytest.mark.parametrize("place", [place_link, place_hard_link, place_fifo, place_folder])
async def test_nothing_strange_is_taken_for_key_or_secret(folder, tmp_path, name, place):
    elsewhere = precious_file(tmp_path / "elsewhere", b64encode(KEY))
    folder.mkdir(mode=0o700)
    place(folder / name, elsewhere)
    with pytest.raises(UnsafePermissionsError):
        await EncryptedFileStore(folder).compare_and_set(NAME, CANARY, expected=None)
    assert elsewhere.read_bytes() == b64encode(KEY)
    assert not records_in(folder)


async def test_the_default_key_is_a_file_in_the_folder_made_with_the_first_session(folder):
    store = EncryptedFileStore(folder)
    assert await store.read(NAME) is None
    assert not folder.exists()
    await store.compare_and_set(NAME, CANARY, expected=None)
    assert (await EncryptedFileStore(folder, key=KeyFile(folder / "master.key")).read(NAME)).data


@posix
@pytest.mark.parametrize("path", ["master.key", "names.secret"])
async def test_a_key_or_secret_open_to_others_is_refused(folder, path):
    await stored(folder, key=None)
    (folder / path).chmod(0o640)
    with pytest.raises(UnsafePermissionsError, match="chmod 600"):
        await EncryptedFileStore(folder).read(NAME)


async def test_a_lost_key_file_is_told_and_the_session_left_alone(folder):
    path = await stored(folder, key=None)
    content = path.read_bytes()
    (folder / "master.key").unlink()
    with pytest.raises(SessionKeyError, match="no key file"):
        await EncryptedFileStore(folder).read(NAME)
    assert path.read_bytes() == content
    assert not (folder / "master.key").exists()  # a new one would hide what was lost
    await EncryptedFileStore(folder).delete(NAME, expected=None)
    await EncryptedFileStore(folder).compare_and_set(NAME, b"two", expected=None)


async def test_the_environment_comes_before_the_key_file(folder, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, b64encode(KEY).decode())
    await stored(folder, key=None)
    assert not (folder / "master.key").exists()
    assert (await EncryptedFileStore(folder, key=KEY).read(NAME)).data == CANARY


async def test_a_bad_variable_never_falls_to_another_key(folder, monkeypatch):
    path = await stored(folder, key=None)
    content = path.read_bytes()
    monkeypatch.setenv(KEY_VARIABLE, "not a key")
    store = EncryptedFileStore(folder)
    with pytest.raises(ConfigurationError):
        await store.read(NAME)
    with pytest.raises(ConfigurationError):
        await store.compare_and_set(ELSE, b"two", expected=None)
    assert path.read_bytes() == content
    assert records_in(folder) == [path]


async def test_a_wrong_key_is_told_and_the_session_left_alone(folder):
    path = await stored(folder)
    content = path.read_bytes()
    with pytest.raises(SessionKeyError):
        await EncryptedFileStore(folder, key=OTHER).read(NAME)
    assert path.read_bytes() == content
    assert not list(folder.glob("*.corrupt"))


async def test_a_newer_format_is_told_and_the_session_left_alone(folder, monkeypatch):
    monkeypatch.setattr("amplify_federation._crypto.envelope.VERSION", 2)
    path = await stored(folder)
    content = path.read_bytes()
    monkeypatch.undo()
    with pytest.raises(SessionFormatTooNewError):
        await EncryptedFileStore(folder, key=KEY).read(NAME)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:100],
        lambda data: data[:-1],
        lambda data: data + b"!",
        lambda data: data[:3000] + bytes([data[3000] ^ 1]) + data[3001:],
        lambda data: bytes(len(data)),
    ],
)
async def test_a_damaged_session_is_set_aside_and_signed_out_and_logged_once(
    folder, damage, caplog
):
    path = await stored(folder)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    store = EncryptedFileStore(folder, key=KEY)
    with caplog.at_level(logging.WARNING, "amplify_federation"):
        for _ in range(3):
            assert await store.read(NAME) is None
    aside = path.with_name(path.name + ".corrupt")
    assert [record.set_aside_as for record in caplog.records] == [str(aside)]
    assert aside.read_bytes() == damaged
    assert not path.exists()
    await store.compare_and_set(NAME, b"two", expected=None)
    assert (await store.read(NAME)).data == b"two"


async def test_one_damaged_session_is_kept_at_most_and_a_clear_takes_it_along(folder):
    store = EncryptedFileStore(folder, key=KEY)
    for data in (b"one", b"two"):
        await store.compare_and_set(NAME, data, expected=None)
        (path,) = records_in(folder)
        path.write_bytes(data)
        assert await store.read(NAME) is None
        assert [one.read_bytes() for one in folder.glob("*.corrupt")] == [data]
    await store.delete(NAME, expected=None)
    assert not list(folder.glob("*.corrupt"))


async def test_sessions_exchanged_between_names_are_both_damaged(folder):
    first = await stored(folder, b"one", NAME)
    second = await stored(folder, b"two", ELSE)
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    store = EncryptedFileStore(folder, key=KEY)
    assert await store.read(NAME) is None
    assert await store.read(ELSE) is None
    assert len(list(folder.glob("*.corrupt"))) == 2


async def test_a_session_of_another_folder_is_damaged_under_another_name(folder, tmp_path):
    theirs = await stored(tmp_path / "theirs", b"theirs", ELSE)
    mine = await stored(folder, b"mine", NAME)
    shutil.copy(theirs, mine)
    assert await EncryptedFileStore(folder, key=KEY).read(NAME) is None


async def test_rotation_seals_every_session_with_the_new_key(folder):
    for number in range(5):
        await stored(folder, b"%d" % number, f"pool/{number}")
    assert await EncryptedFileStore(folder, key=KeyRing([OTHER, KEY])).rotate() == 5
    store = EncryptedFileStore(folder, key=OTHER)
    assert [(await store.read(f"pool/{number}")).data for number in range(5)] == [
        b"%d" % number for number in range(5)
    ]
    assert await store.rotate() == 5


async def test_rotation_does_what_it_can_and_tells_what_it_could_not(folder):
    await stored(folder, b"one", NAME, KEY)
    strange = await stored(folder, b"two", ELSE, bytes([1]) * 32)
    content = strange.read_bytes()
    with pytest.raises(SessionKeyError, match=r"1 sessions.* 1 others"):
        await EncryptedFileStore(folder, key=KeyRing([OTHER, KEY])).rotate()
    assert (await EncryptedFileStore(folder, key=OTHER).read(NAME)).data == b"one"
    assert strange.read_bytes() == content


async def test_rotation_goes_on_when_others_write(folder, monkeypatch):
    await stored(folder)
    other = EncryptedFileStore(folder, key=KEY)
    store = EncryptedFileStore(folder, key=KeyRing([OTHER, KEY]))
    real, written = store.reseal, []

    async def cancelled(name):
        if not written:
            record = await other.read(name)
            written.append(await other.compare_and_set(name, b"newer", expected=record.version))
            raise StoreConflictError("cancelled")
        return await real(name)

    monkeypatch.setattr(store, "reseal", cancelled)
    assert await store.rotate() == 1
    assert (await EncryptedFileStore(folder, key=OTHER).read(NAME)).data == b"newer"


async def test_rotation_in_a_storm_of_writes_says_so(folder, monkeypatch):
    await stored(folder)
    store = EncryptedFileStore(folder, key=KEY)

    async def cancelled(_):
        raise StoreConflictError("cancelled")

    monkeypatch.setattr(store, "reseal", cancelled)
    with pytest.raises(StoreConflictError):
        await store.rotate()


async def test_a_new_key_file_is_made_by_a_rotation(folder, tmp_path):
    await stored(folder)
    new = KeyFile(tmp_path / "new", create=True)
    assert await EncryptedFileStore(folder, key=KeyRing([new, KEY])).rotate() == 1
    assert (await EncryptedFileStore(folder, key=KeyFile(new.path)).read(NAME)).data == CANARY


async def test_rotation_passes_damaged_sessions_over(folder):
    path = await stored(folder)
    path.write_bytes(b"damaged")
    assert await EncryptedFileStore(folder, key=KEY).rotate() == 0
    assert path.read_bytes() == b"damaged"


async def test_rotation_of_no_folder_is_nothing(folder):
    assert await EncryptedFileStore(folder, key=KEY).rotate() == 0
    assert not folder.exists()


async def test_names_are_told_to_the_key_alone_and_nothing_changes(folder):
    assert await EncryptedFileStore(folder).names() == []
    assert not folder.exists()
    for name in (NAME, ELSE):
        await stored(folder, name=name)
    await stored(folder, name="strange", key=OTHER)
    damaged = await stored(folder, name="damaged")
    damaged.write_bytes(b"damaged")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert await EncryptedFileStore(folder, key=KEY).names() == [NAME, ELSE, None, None]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    everything = b"".join([*before.values(), *(name.encode() for name in before)])
    assert NAME.encode() not in everything
    assert b"else" not in everything


async def test_a_passphrase_opens_after_a_restart_with_one_salt_for_all(folder, monkeypatch):
    cheap = Derivation(KeyFunction.ARGON2ID, (1, 8, 1))
    monkeypatch.setattr(passphrase, "ARGON2ID", cheap)
    path = await stored(folder, key=PassphraseKey("canary"))
    store = EncryptedFileStore(folder, key=PassphraseKey("canary"))
    assert (await store.read(NAME)).data == CANARY
    await store.compare_and_set(ELSE, b"two", expected=None)
    assert len({open_header(one.read_bytes()).derivation for one in records_in(folder)}) == 1
    with pytest.raises(SessionKeyError):
        await EncryptedFileStore(folder, key=PassphraseKey("other")).read(NAME)
    with pytest.raises(SessionKeyError):
        await EncryptedFileStore(folder, key=KEY).read(NAME)
    assert path.exists()


async def test_a_change_from_key_file_to_passphrase_is_a_rotation(folder, monkeypatch):
    monkeypatch.setattr(passphrase, "ARGON2ID", Derivation(KeyFunction.ARGON2ID, (1, 8, 1)))
    await stored(folder, key=None)
    ring = KeyRing([PassphraseKey("canary"), KeyFile(folder / "master.key")])
    assert await EncryptedFileStore(folder, key=ring).rotate() == 1
    assert (await EncryptedFileStore(folder, key=PassphraseKey("canary")).read(NAME)).data


async def test_a_stale_handle_never_overwrites_a_newer_record(folder):
    first, second = (EncryptedFileStore(folder, key=KEY) for _ in range(2))
    version = await first.compare_and_set(NAME, b"one", expected=None)
    await second.compare_and_set(NAME, b"two", expected=version)
    with pytest.raises(StoreConflictError):
        await first.compare_and_set(NAME, b"stale", expected=version)
    assert (await first.read(NAME)).data == b"two"


NOBODY = """
import os, sys
import anyio
from amplify_federation.stores.file import EncryptedFileStore

async def main(folder):
    store = EncryptedFileStore(folder)
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(write, store, f"pool/{number}")

async def write(store, name):
    async with store.lock(name, timeout=10):
        version = await store.compare_and_set(name, b"draft", expected=None)
        await store.compare_and_set(name, b"data", expected=version)
    assert (await store.read(name)).data == b"data"
    await store.delete(name, expected=None)

anyio.run(main, sys.argv[1])  # as root, so that all is imported
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
os.umask(int(sys.argv[3], 8))
anyio.run(main, sys.argv[2])
print("done")
"""


@posix
@as_root
@pytest.mark.parametrize("umask", ["0", "177", "277", "477", "777"])
def test_a_user_without_privileges_works_under_any_umask(tmp_path, umask):
    """Root may open a file of mode 0000, so that only another user proves this."""
    home = Path("/tmp") / f"amplify-{os.getpid()}-{umask}"  # others cannot pass to `tmp_path`
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    folder = home / "a" / "store"
    command = [sys.executable, "-c", NOBODY, str(tmp_path / "store"), str(folder), umask]
    try:
        # Unmeasured: a coverage file of its own would be refused to nobody.
        environment = {**os.environ, "COVERAGE_PROCESS_START": ""}
        run = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
        assert (run.stdout, run.stderr) == (b"done\n", b"")
        paths = list((home / "a").rglob("*"))
        made = {"store", "names.secret", "names.secret.lock", "master.key", "master.key.lock"}
        assert {path.name for path in paths} == made  # the record is deleted, and its locks
        for path in paths:
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
    finally:
        shutil.rmtree(home)

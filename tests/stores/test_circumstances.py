"""Sessions in files where keys are lost, disks are full, and users have links and no home."""

import os
import shutil
import stat
import subprocess
import sys
from contextlib import suppress

import anyio
import pytest

from amplify_federation import (
    AuthProvider,
    ConfigurationError,
    EncryptedFileStore,
    Federated,
    FederatedAuth,
    KeyRing,
    SessionFormatTooNewError,
    SessionKeyError,
    SignedOut,
    StoreUnavailableError,
)
from amplify_federation.testing import FakeCognito
from tests.another_user import as_another_user
from tests.session.kit import federate

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="modes and links are POSIX's"),
]
GOOGLE = AuthProvider.GOOGLE
KEYS = (bytes(range(32)), bytes(32))


@pytest.fixture
def home(tmp_path):
    return tmp_path / "state"


class Machine:
    """A user's machine: a folder of sessions, and Cognito."""

    def __init__(self, home):
        import httpx  # noqa: PLC0415  # only here

        self.home = home
        self.fake = FakeCognito()
        self.pool_id = self.fake.create_identity_pool()
        self.client = httpx.AsyncClient(transport=self.fake.transport)

    def auth(self, key=None, **arguments):
        store = EncryptedFileStore(self.home, key=key)
        return FederatedAuth(self.pool_id, store=store, http_client=self.client, **arguments)

    async def federate(self, key=None, **arguments):
        async with self.auth(key, **arguments) as auth:
            await federate(auth, self.fake.issue_token(GOOGLE, "alice"))


@pytest.fixture
def machine(home):
    return Machine(home)


def files(home, ending):
    return sorted(path.name for path in home.iterdir() if path.name.endswith(ending))


async def test_a_session_is_cleared_without_its_key_and_federation_works_then(machine, home):
    await machine.federate(KEYS[0])
    auth = machine.auth(KEYS[1])
    with pytest.raises(SessionKeyError) as caught:
        await auth.fetch_auth_session()
    with pytest.raises(SessionKeyError):
        await federate(auth, machine.fake.issue_token(GOOGLE, "alice"))
    assert files(home, ".session")  # reading left it alone
    assert "clear the session and federate again" in caught.value.recovery_suggestion
    await auth.clear_federation_to_identity_pool()  # the advice, followed
    assert files(home, ".session") == []
    await federate(auth, machine.fake.issue_token(GOOGLE, "alice"))
    assert isinstance(auth.state, Federated)


async def test_a_session_in_a_format_of_the_future_is_left_alone_until_it_is_cleared(
    machine, home, monkeypatch
):
    monkeypatch.setattr("amplify_federation._crypto.envelope.VERSION", 2)
    await machine.federate(KEYS[0])
    monkeypatch.undo()
    [record] = files(home, ".session")
    data = (home / record).read_bytes()
    auth = machine.auth(KEYS[0])
    with pytest.raises(SessionFormatTooNewError):
        await auth.fetch_auth_session()
    assert (home / record).read_bytes() == data
    await auth.clear_federation_to_identity_pool()
    assert files(home, ".session") == []
    await federate(auth, machine.fake.issue_token(GOOGLE, "alice"))
    assert isinstance(auth.state, Federated)


async def test_no_new_key_is_made_beside_sessions_of_a_lost_one(machine, home):
    await machine.federate()
    await machine.federate(session_name="another")
    kept = (home / "master.key").read_bytes()
    (home / "master.key").unlink()
    calls = len(machine.fake.calls)
    auth = machine.auth(session_name="third")
    with pytest.raises(SessionKeyError, match="missing") as caught:
        await federate(auth, machine.fake.issue_token(GOOGLE, "bob"))
    assert len(machine.fake.calls) == calls  # found out before Cognito was called
    assert not (home / "master.key").exists()
    assert f"Restore {home}/master.key" in caught.value.recovery_suggestion
    (home / "master.key").write_bytes(kept)  # the advice, followed
    (home / "master.key").chmod(0o600)
    async with machine.auth() as restored:
        assert isinstance(restored.state, Federated)
    await federate(auth, machine.fake.issue_token(GOOGLE, "bob"))


async def test_sessions_of_a_lost_key_can_be_given_up(machine, home):
    await machine.federate()
    (home / "master.key").unlink()
    auth = machine.auth()
    await auth.clear_federation_to_identity_pool()
    await federate(auth, machine.fake.issue_token(GOOGLE, "alice"))


async def test_a_lost_secret_of_names_is_told_and_signs_nobody_out_silently(machine, home):
    await machine.federate()
    kept = (home / "names.secret").read_bytes()
    (home / "names.secret").unlink()
    with pytest.raises(StoreUnavailableError, match="missing") as caught:
        async with machine.auth():
            pass
    assert not (home / "names.secret").exists()
    assert f"Restore {home}/names.secret" in caught.value.recovery_suggestion
    (home / "names.secret").write_bytes(kept)
    (home / "names.secret").chmod(0o600)
    async with machine.auth() as auth:
        assert isinstance(auth.state, Federated)


async def test_a_clear_deletes_what_was_set_aside_before_the_last_federation(machine, home):
    await machine.federate()
    [record] = files(home, ".session")
    data = bytearray((home / record).read_bytes())
    data[-1] ^= 1
    (home / record).write_bytes(data)
    async with machine.auth() as auth:
        assert auth.state == SignedOut()
        assert files(home, ".corrupt")
        await federate(auth, machine.fake.issue_token(GOOGLE, "alice"))
        assert files(home, ".corrupt")  # still there to be looked at
        await auth.clear_federation_to_identity_pool()
    assert files(home, ".corrupt") == []


async def test_a_state_folder_that_is_a_link_is_followed(machine, home, tmp_path):
    real = tmp_path / "private" / "state"
    real.mkdir(parents=True, mode=0o700)
    home.symlink_to(real)
    await machine.federate()
    assert files(real, ".session")
    async with machine.auth() as auth:
        assert isinstance(auth.state, Federated)


async def test_modes_that_an_orchestrator_widened_are_tightened_where_that_is_said(
    machine, home, monkeypatch
):
    await machine.federate()
    for path in home.iterdir():
        path.chmod(0o660)  # as fsGroup does at each start of a pod
    home.chmod(0o770)
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRUST_DIRECTORY", "true")
    async with machine.auth() as auth:
        assert isinstance(auth.state, Federated)
        await federate(auth, machine.fake.issue_token(GOOGLE, "alice"))
    [record] = files(home, ".session")
    assert stat.S_IMODE((home / record).stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "master.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("variables", [{"HOME": ""}, {"HOME": None}])
async def test_a_user_without_a_home_is_told_what_to_set(variables, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in {"HOME", "XDG_STATE_HOME"}}
    environment.pop("AMPLIFY_FEDERATION_HOME", None)
    environment |= {k: v for k, v in variables.items() if v is not None}
    script = "from amplify_federation import EncryptedFileStore; print(EncryptedFileStore())"
    command = [sys.executable, "-c", script]
    if variables["HOME"] is None:  # then the passwd file tells, where it has the user
        command = as_another_user(*command)
    done = subprocess.run(  # noqa: ASYNC221  # a test
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "ConfigurationError" in done.stderr, done
    assert "AMPLIFY_FEDERATION_HOME" in done.stderr
    assert "MemoryStore" in done.stderr
    assert not (tmp_path / "~").exists()
    environment["AMPLIFY_FEDERATION_HOME"] = str(tmp_path / "given")  # the advice, followed
    done = subprocess.run(  # noqa: ASYNC221  # a test
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_a_path_that_begins_with_a_tilde_nobody_has_is_a_fault_of_the_configuration():
    store = EncryptedFileStore("~nobody-of-that-name/state")
    with pytest.raises(ConfigurationError, match="no home"):
        await store.read("name")
    assert "~nobody-of-that-name" not in os.listdir()  # noqa: PTH208  # the folder of the run


@pytest.fixture
def small_disk(request, home):
    """Mount a small disk as the folder, with the options of the test's parameter."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    home.mkdir(mode=0o700)
    options = f"{getattr(request, 'param', 'size=128k')},mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(home)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("this machine does not let us mount")
    yield home
    subprocess.run(["umount", str(home)], check=True)


@pytest.mark.parametrize("small_disk", ["size=16k", "ro"], indirect=True)
async def test_a_full_or_read_only_disk_is_found_out_before_cognito_is_called(machine, small_disk):
    auth = machine.auth(KEYS[0])
    with pytest.raises(StoreUnavailableError):
        await federate(auth, machine.fake.issue_token(GOOGLE, "alice"))
    assert machine.fake.calls == []
    assert files(small_disk, ".tmp") == []


async def test_a_session_can_be_cleared_on_a_full_disk(machine, small_disk):
    async with machine.auth(KEYS[0]) as auth, machine.auth(KEYS[0]) as other:
        await federate(auth, machine.fake.issue_token(GOOGLE, "alice"))
        assert (await other.fetch_auth_session(force_refresh=True)).is_signed_in
        assert (await auth.fetch_auth_session(force_refresh=True)).is_signed_in
        with suppress(OSError), (small_disk / "big").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(512))
        with pytest.raises(StoreUnavailableError):
            await federate(auth, machine.fake.issue_token(GOOGLE, "bob"))
        await auth.clear_federation_to_identity_pool()
        assert auth.state == SignedOut()
        assert files(small_disk, ".session") == []
        assert not (await other.fetch_auth_session(force_refresh=True)).is_signed_in


def test_a_session_serves_where_no_thread_can_be_started(machine, run_without_threads):
    async def use():
        calls = len(machine.fake.calls)
        async with machine.auth() as auth:
            assert (await auth.fetch_auth_session()).is_signed_in
            with pytest.raises(StoreUnavailableError, match="no further thread"):
                await federate(auth, machine.fake.issue_token(GOOGLE, "bob"))
            assert len(machine.fake.calls) == calls  # found out before Cognito was called
            assert (await auth.fetch_auth_session()).is_signed_in

    anyio.run(machine.federate)
    run_without_threads(use)


async def test_leases_of_tokens_that_were_refused_leave_no_files(machine, home):
    store = EncryptedFileStore(home, key=KEYS[0])
    for number in range(20):
        async with store.lock(f"unknown-{number}", timeout=1):
            pass
    assert files(home, ".lease") == []
    version = await store.compare_and_set("known", b"data", expected=None)
    async with store.lock("known", timeout=1):
        pass
    await store.delete("known", expected=version)
    assert files(home, ".lease") == []
    await store.delete("unknown", expected=None)
    assert files(home, ".session.lock") == []


async def test_records_of_bearers_are_removed_by_age_whoever_wrote_them(home):
    first = EncryptedFileStore(home, key=KEYS[0])
    await first.compare_and_set("user", b"kept", expected=None)
    bearers = first.keeping(100.0)
    for number in range(5):
        await bearers.compare_and_set(f"bearer-{number}", b"old", expected=None)
    old = [home / name for name in files(home, ".bearer")]
    for path in (*old, *(home / name for name in files(home, ".session"))):
        os.utime(path, (1, 1))  # written long ago, by a process that is gone
    # Another process, which has seen none of them.
    later = EncryptedFileStore(home, key=KEYS[0]).keeping(100.0)
    await later.compare_and_set("bearer-new", b"new", expected=None)
    assert (await later.read("bearer-new")).data == b"new"
    assert len(files(home, ".bearer")) == 1
    assert (await first.read("user")).data == b"kept"


async def test_rotation_reaches_the_records_of_bearers(home):
    old = EncryptedFileStore(home, key=KEYS[0])
    await old.compare_and_set("user", b"user", expected=None)
    await old.keeping(1e6).compare_and_set("bearer", b"bearer", expected=None)
    assert await EncryptedFileStore(home, key=KeyRing([KEYS[1], KEYS[0]])).rotate() == 2
    new = EncryptedFileStore(home, key=KEYS[1])
    assert (await new.read("user")).data == b"user"
    assert (await new.keeping(1e6).read("bearer")).data == b"bearer"


async def test_opening_lists_no_files(home, monkeypatch):
    await EncryptedFileStore(home, key=KEYS[0]).compare_and_set("user", b"data", expected=None)

    def listing(_path):
        raise AssertionError("a full folder would take long")

    monkeypatch.setattr("os.scandir", listing)
    assert (await EncryptedFileStore(home, key=KEYS[0]).read("user")).data == b"data"

import json
import os
import shutil
import subprocess
import sys

import anyio
import pytest

from amplify_federation import (
    EncryptedFileStore,
    IdentityPool,
    SessionExpiredError,
    StoreLockedError,
    StoreUnavailableError,
)
from amplify_federation.cli.checks import (
    Verdict,
    folder_findings,
    from_error,
    key_finding,
    lock_finding,
    note,
    ok,
    pool_findings,
    store_findings,
    wrong,
)
from amplify_federation.cli.exit_codes import ExitCode
from amplify_federation.cli.options import Target


def test_what_is_well_and_what_is_worth_knowing_end_with_0():
    assert ok("key", "there").exit_code is ExitCode.OK
    assert note("key", "odd", "look").exit_code is ExitCode.OK


def test_what_is_wrong_has_advice_and_a_number():
    finding = wrong("key", "gone", "bring it")
    assert (finding.verdict, finding.exit_code) == (Verdict.WRONG, ExitCode.FAULT)
    assert finding.advice == "bring it"


def test_an_error_becomes_a_finding_with_its_own_number_and_advice():
    assert from_error("lock", StoreLockedError("held")).exit_code is ExitCode.STORE
    assert "federate" in from_error("session", SessionExpiredError("over")).advice
    unavailable = StoreUnavailableError("a disk that is read-only")
    assert "doctor" not in from_error("lock", unavailable).advice  # it is running


POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
KEY = "A" * 43 + "="


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch):
    for name in ("AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL", "AWS_USE_FIPS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def found(target):
    _, findings = pool_findings(target)
    return {finding.subject: finding.found for finding in findings}


def test_the_source_of_the_pool_is_named(monkeypatch, tmp_path):
    assert found(Target(POOL))["pool"] == f"{POOL}, from --pool"
    path = tmp_path / "amplify_outputs.json"
    path.write_text(json.dumps({"auth": {"identity_pool_id": POOL}}))
    assert found(Target(config=path))["pool"] == f"{POOL}, from --config {path}"
    monkeypatch.setenv("AMPLIFY_FEDERATION_POOL_ID", POOL)
    assert found(Target())["pool"] == f"{POOL}, from AMPLIFY_FEDERATION_POOL_ID"
    monkeypatch.delenv("AMPLIFY_FEDERATION_POOL_ID")
    monkeypatch.setenv("AMPLIFY_FEDERATION_CONFIG", str(path))
    assert "which AMPLIFY_FEDERATION_CONFIG names" in found(Target())["pool"]


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_COGNITO_IDENTITY", "AWS_ENDPOINT_URL"])
def test_the_source_of_the_endpoint_is_named(monkeypatch, name):
    assert found(Target(POOL))["endpoint"].endswith("from AWS's rules for us-west-2")
    monkeypatch.setenv(name, "http://127.0.0.1:4566/")
    assert found(Target(POOL))["endpoint"] == f"http://127.0.0.1:4566, from {name}"


def test_a_rule_of_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    assert "AWS_USE_FIPS_ENDPOINT" in found(Target(POOL))["endpoint"]


def test_a_pool_that_is_wrong_is_told_and_there_is_none():
    pool, (finding,) = pool_findings(Target("nonsense"))
    assert pool is None
    assert (finding.verdict, finding.exit_code) == (Verdict.WRONG, ExitCode.CONFIGURATION)


def test_the_source_of_the_store_is_named(monkeypatch, tmp_path):
    def store(target):
        return [finding.found for finding in store_findings(target)]

    assert store(Target(folder=tmp_path)) == [f"{tmp_path}, from --store"]
    monkeypatch.setenv("AMPLIFY_FEDERATION_HOME", str(tmp_path))
    assert store(Target()) == [f"{tmp_path}, from AMPLIFY_FEDERATION_HOME"]
    monkeypatch.delenv("AMPLIFY_FEDERATION_HOME")
    assert store(Target())[0].endswith("user state folder")
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRUST_DIRECTORY", "true")
    assert "AMPLIFY_FEDERATION_TRUST_DIRECTORY is 'true': folders are not" in store(Target())[1]
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRUST_DIRECTORY", "1")
    assert "only `true` has an effect" in store(Target())[1]


async def test_the_source_of_the_key_is_named_and_the_key_is_not(monkeypatch, tmp_path):
    target = Target(folder=tmp_path)
    assert "made when the first session is stored" in (await key_finding(target)).found
    (tmp_path / "master.key").write_text(KEY)
    assert "beside the sessions" in (await key_finding(target)).found
    (tmp_path / "master.key").write_text("no key")
    assert (await key_finding(target)).exit_code is ExitCode.CONFIGURATION
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", KEY)
    finding = await key_finding(target)
    assert finding.found == "from AMPLIFY_FEDERATION_KEY"
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", KEY[:-2])
    finding = await key_finding(target)
    assert finding.exit_code is ExitCode.CONFIGURATION
    assert KEY[:-2] not in finding.found


async def test_a_variable_that_is_set_to_nothing_is_wrong(monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", "")
    assert (await key_finding(Target())).verdict is Verdict.WRONG


async def test_two_keys_at_once_are_wrong(monkeypatch, tmp_path):
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY", KEY)
    monkeypatch.setenv("AMPLIFY_FEDERATION_KEY_FILE", str(tmp_path / "key"))
    assert (await key_finding(Target())).verdict is Verdict.WRONG


POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
modes = pytest.mark.skipif(os.name == "nt", reason="Windows has access lists instead of modes")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "sessions"
    path.mkdir(mode=0o700)
    (path / "a.session").touch(mode=0o600)
    return path


async def in_folder(folder):
    return await folder_findings(Target(folder=folder))


async def test_a_folder_that_is_not_there_is_no_fault_and_is_not_made(tmp_path):
    (finding,) = await in_folder(tmp_path / "nothing")
    assert finding.verdict is Verdict.OK
    assert not list(tmp_path.iterdir())


async def test_a_folder_as_it_should_be_is_told_with_its_sessions(folder):
    (folder / "notes").mkdir()  # nothing of the store
    (finding,) = await in_folder(folder)
    assert finding.found == "safe, with 2 files, 1 session"


@modes
async def test_what_others_can_get_at_is_told_in_whole_with_the_commands(folder):
    folder.chmod(0o755)
    (folder / "a.session").chmod(0o604)
    (folder / "b.session").symlink_to(folder / "a.session")
    link = f"{folder}/b.session"
    assert [finding.advice for finding in await in_folder(folder)] == [
        f"chmod 700 {folder}", f"chmod 600 {folder}/a.session", f"mv {link} {link}.aside",
    ]  # fmt: skip


@modes
async def test_modes_that_the_store_mends_by_itself_are_no_fault(folder, monkeypatch):
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRUST_DIRECTORY", "true")
    folder.chmod(0o770)
    (folder / "a.session").chmod(0o660)  # as fsGroup does
    assert [finding.verdict for finding in await in_folder(folder)] == [Verdict.OK]


@modes
async def test_a_state_folder_that_is_a_link_is_followed(folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert await in_folder(link) == await in_folder(folder)


def others_can_get_at_it(folder):
    folder.chmod(0o755)
    (folder / "a.session").chmod(0o604)


def a_file_is_a_link(folder):
    (folder / "b.session").symlink_to(folder / "a.session")


def a_file_is_another_users(folder):
    os.chown(folder / "a.session", 12345, -1)


def the_folder_is_another_users(folder):
    os.chown(folder, 12345, -1)


def a_file_is_in_its_place(folder):
    shutil.rmtree(folder)
    folder.touch()


def a_file_is_above_it(folder):
    shutil.rmtree(folder.parent)
    folder.parent.touch()


def others_can_write_above_it(folder):
    folder.parent.chmod(0o777)


def others_can_write_above_one_that_is_not_there(folder):
    shutil.rmtree(folder)
    folder.parent.chmod(0o777)


def another_user_is_above_it(folder):
    shutil.rmtree(folder)
    os.chown(folder.parent, 12345, -1)


@modes
@pytest.mark.parametrize(
    "circumstance",
    [
        others_can_get_at_it,
        a_file_is_a_link,
        a_file_is_another_users,
        the_folder_is_another_users,
        a_file_is_in_its_place,
        a_file_is_above_it,
        others_can_write_above_it,
        others_can_write_above_one_that_is_not_there,
        another_user_is_above_it,
    ],
)
async def test_advice_that_is_followed_helps(tmp_path, circumstance):
    if "another" in circumstance.__name__ and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    folder = tmp_path / "it's above" / "sessions"
    folder.mkdir(mode=0o700, parents=True)
    (folder / "a.session").touch(mode=0o600)
    circumstance(folder)
    faults = await in_folder(folder)
    assert faults
    for fault in faults:
        done = fault.advice.removeprefix("sudo ")  # these tests are root's, where it matters
        await anyio.run_process(["sh", "-c", done])
    assert [finding.verdict for finding in await in_folder(folder)] == [Verdict.OK]
    for file in folder.glob("*.session"):
        file.unlink()  # no session, and no `names.secret`
    await EncryptedFileStore(folder).check_writable()  # as a session does on entering


@modes
@pytest.mark.parametrize("made", [True, False])
def test_a_folder_that_cannot_be_written_or_made_is_told_and_another_one_helps(tmp_path, made):
    me, path = os.geteuid(), tmp_path / "sessions"
    if made:
        path.mkdir(mode=0o700)
        (path / "a.session").touch(mode=0o600)
    (path if made else tmp_path).chmod(0o500)
    if me == 0:
        os.chown(path if made else tmp_path, 65534, -1)
        os.seteuid(65534)  # root may write anywhere
    try:
        (finding,) = anyio.run(in_folder, path)
    finally:
        os.seteuid(me)
        os.chown(tmp_path, me, -1)
        (path if made else tmp_path).chmod(0o700)
    assert "this user may not write to" in finding.found
    assert finding.exit_code is ExitCode.STORE
    assert "give --store FOLDER" in finding.advice
    (finding,) = anyio.run(in_folder, tmp_path / "another")
    assert finding.verdict is Verdict.OK


@modes
def test_a_folder_that_may_not_be_entered_ends_no_check(tmp_path):
    async def look():
        target = Target(POOL, folder=tmp_path / "sessions")
        lock = await lock_finding(target, IdentityPool(POOL))
        return [*await in_folder(target.folder), await key_finding(target), lock]

    me = os.geteuid()
    tmp_path.chmod(0)
    if me == 0:
        os.seteuid(65534)  # root may enter any
    try:
        folder, key, lock = anyio.run(look)
    finally:
        os.seteuid(me)
        tmp_path.chmod(0o700)
    assert [folder.verdict, key.verdict, lock.found] == [Verdict.WRONG, Verdict.WRONG, "free"]
    assert "EACCES" in key.found


async def test_what_was_set_aside_is_told(folder):
    (folder / "a.session.corrupt").touch(mode=0o600)
    found = [finding.verdict for finding in await in_folder(folder)]
    assert found == [Verdict.OK, Verdict.NOTE]


HOLDER = """
import anyio, sys
from amplify_federation.cli.options import Target
from pathlib import Path

async def main():
    store = Target(folder=Path(sys.argv[1])).store()
    async with store.lock(sys.argv[2], timeout=0):
        print("held", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

import anyio.to_thread
anyio.run(main)
"""


async def test_a_lock_that_another_process_holds_is_told(tmp_path):
    folder = tmp_path / "sessions"
    target, pool = Target(POOL, folder=folder), IdentityPool(POOL)
    assert (await lock_finding(target, pool)).found == "free"
    with subprocess.Popen(  # noqa: ASYNC220  # a test
        [sys.executable, "-c", HOLDER, str(folder), f"{POOL}/default"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "held\n"
        finding = await lock_finding(target, pool)
        process.communicate("")
    assert finding.verdict is Verdict.NOTE
    assert str(process.pid) in finding.found
    assert "end the process" in finding.advice
    assert (await lock_finding(target, pool)).found == "free"  # for it has ended


async def test_no_folder_means_no_lock_and_makes_none(tmp_path):
    target = Target(POOL, folder=tmp_path / "nothing")
    assert (await lock_finding(target, IdentityPool(POOL))).found == "free"
    assert not (tmp_path / "nothing").exists()

import os
import subprocess
import sys

import pytest

from amplify_federation import IdentityPool
from amplify_federation.cli.checks.disk import folder_findings, lock_finding
from amplify_federation.cli.checks.finding import Verdict
from amplify_federation.cli.target import Target

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
modes = pytest.mark.skipif(os.name == "nt", reason="Windows has access lists instead of modes")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "sessions"
    path.mkdir(mode=0o700)
    (path / "a.session").touch(mode=0o600)
    return path


def test_a_folder_that_is_not_there_is_no_fault(tmp_path):
    (finding,) = folder_findings(tmp_path / "nothing")
    assert finding.verdict is Verdict.OK


def test_a_folder_as_it_should_be_is_told_with_its_sessions(folder):
    (finding,) = folder_findings(folder)
    assert finding.found == "mode 0700, 1 file, 1 session"


@modes
def test_what_others_can_get_at_is_told_with_the_command(folder):
    folder.chmod(0o755)
    (folder / "a.session").chmod(0o604)
    advice = [finding.advice for finding in folder_findings(folder)]
    assert advice == [f"chmod 700 {folder}", f"chmod 600 {folder}/a.session"]


@modes
def test_a_link_is_told(folder):
    (folder / "b.session").symlink_to(folder / "a.session")
    (finding,) = folder_findings(folder)
    assert finding.found.endswith("is a link")


@modes
def test_a_file_of_another_user_is_told(folder):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(folder / "a.session", 12345, -1)
    (finding,) = folder_findings(folder)
    assert finding.advice.startswith("sudo chown 0 ")


def test_a_file_in_its_place_is_told(tmp_path):
    (tmp_path / "file").touch()
    (finding,) = folder_findings(tmp_path / "file")
    assert "is no folder" in finding.found


def test_what_was_set_aside_is_told(folder):
    (folder / "a.session.corrupt").touch(mode=0o600)
    found = [finding.verdict for finding in folder_findings(folder)]
    assert found == [Verdict.OK, Verdict.NOTE]


HOLDER = """
import anyio, sys
from amplify_federation.cli.target import Target
from pathlib import Path

async def main():
    store = Target(folder=Path(sys.argv[1])).store()
    async with store.lock(sys.argv[2], timeout=0):
        print("held", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

import anyio.to_thread
anyio.run(main)
"""


async def test_a_lock_that_another_process_holds_is_told(folder):
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


async def test_no_folder_means_no_lock_and_makes_none(tmp_path):
    target = Target(POOL, folder=tmp_path / "nothing")
    assert (await lock_finding(target, IdentityPool(POOL))).found == "free"
    assert not (tmp_path / "nothing").exists()

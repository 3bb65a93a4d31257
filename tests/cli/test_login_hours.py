"""The four lines of the README: a sign-in on a page, and an S3 listing two hours later."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amplify_federation import AuthProvider
from tests.chromium import Chromium
from tests.cli.person import SigningIn
from tests.documents import blocks_of
from tests.integrations.recording_s3 import RecordingS3

pytest.importorskip("authlib", reason="needs Authlib: pip install 'amplify-federation[login]'")
PERSON = Path(__file__).with_name("person.py")
# The clock of the processes that a variable tells how much later it is.
CLOCK = """
import os, time
now, later = time.time, float(os.environ.get("TEST_SECONDS_LATER", "0"))
if later:
    time.time = lambda: now() + later
"""
LIST = "import boto3; boto3.Session(profile_name='player').client('s3').list_buckets()"


@pytest.fixture
def newcomer(tmp_path):
    """The environment of a user who has nothing but the package."""
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "sitecustomize.py").write_text(CLOCK)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "AMPLIFY_FEDERATION_", "COVERAGE_"))
    }
    return {
        **kept,
        "HOME": str(tmp_path),
        "BROWSER": f"{sys.executable} {PERSON} %s",
        "PYTHONPATH": str(tmp_path / "later"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_the_lines_of_the_readme_sign_in_once_and_list_s3_two_hours_later(newcomer, tmp_path):
    program = Path(sys.executable).with_name("amplify-federation")
    if not program.exists():
        pytest.skip("the package is not installed with its scripts")
    (block,) = [each for each in blocks_of("README.md", "sh") if "s3 ls" in each.code]
    begin, login, configure, listing = block.code.splitlines()
    if shutil.which("aws") is None:
        listing = f'{sys.executable} -c "{LIST}"'
    fake = ".venv/bin/amplify-federation fake-cognito"
    typed = f"""set -e
{login}
{fake} clock --advance 2h > moved
export TEST_SECONDS_LATER=7200
{configure}
{listing}
{fake} calls --providers > asked
"""
    with RecordingS3() as s3:
        done = subprocess.run(
            ["sh", "-c", begin], input=typed, cwd=tmp_path,
            env={**newcomer, "AWS_ENDPOINT_URL_S3": s3.url},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        (signed,) = s3.seen
    first = re.search(r"ASIA\.\.\.(\w{4})", done.stdout)[1]
    assert signed.access_key_id.startswith("ASIA")
    assert not signed.access_key_id.endswith(first)  # those of the sign-in are over
    asked = (tmp_path / "asked").read_text()
    assert asked.count("/authorize") == 2  # the page, and its form: one sign-in
    assert asked.count("/token") == 2  # the code, and the refresh token
    assert signed.session_token not in done.stdout + done.stderr
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", done.stdout + done.stderr)  # no JWT


def test_a_user_signs_in_with_a_real_browser(command, fake, url, tmp_path):
    pool = fake.create_identity_pool({AuthProvider.GOOGLE: ["terminal-client"]})
    discovery = f"{url}/accounts.google.com/.well-known/openid-configuration"
    arguments = ("--provider", "google", "--client-id", "terminal-client", "--pool", pool)
    with (
        SigningIn(command, "--no-browser", "--discovery-url", discovery, *arguments) as signing_in,
        Chromium(tmp_path / "chromium", scripts=True) as browser,
    ):
        browser.navigate(signing_in.until(r"http://127\.0\.0\.1:\d+/\S*authorize\S*"))
        browser.wait_for("document.querySelector('button[value=allow]') !== null")
        browser.script("document.querySelector('button[value=allow]').click()")
        browser.wait_for("document.title == 'You are signed in'")
        code, out, err = signing_in.end()
    assert (code, "alice@example.com" in out) == (0, True), err

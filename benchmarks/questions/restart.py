"""How long from the start of a process to the credentials of a session stored before?

An AWS profile's `credential_process` pays the row of the command each time. There is no network,
and httpx is never imported; both are checked. Instructions are counted, too: from one count to the
next they differ by less than 1 %, however much else the machine has to do.
"""

import base64
import os
import subprocess
import sys
import tempfile

from benchmarks.rig.peers import TOKEN
from benchmarks.rig.processes import count_instructions, missing, time_processes
from benchmarks.rig.report import Answer, Goal, Plan
from benchmarks.rig.server import POOL_ID, REGION, running_server

US = "amplify_federation"
BARE = "asyncio, anyio, attrs, AES-GCM"
_STORE = """
import anyio
from amplify_federation import AuthProvider, FederatedAuth, IdentityPool
async def main():
    async with FederatedAuth(IdentityPool({pool!r}, endpoint_url={url!r})) as auth:
        await auth.federate_to_identity_pool({token!r}, AuthProvider.GOOGLE)
anyio.run(main)
"""
_RESTART = """
import {loop}, sys
from amplify_federation import FederatedAuth
async def main():
    async with FederatedAuth({pool!r}) as auth:
        session = await auth.fetch_auth_session()
        assert session.credentials.secret_access_key
{loop}.run(main{call})
assert "httpx" not in sys.modules
assert "amplify_federation._http.pool" not in sys.modules
"""
_COMMAND = """
import sys
sys.argv = ["amplify-federation", "credentials", "--pool", {pool!r}]
sys.stdout = open("/dev/null", "w") if sys.platform != "win32" else open("NUL", "w")
from amplify_federation.cli import main
main()
"""
_BARE = """
import asyncio, anyio, attrs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
"""
_NOTHING = """
import asyncio, anyio, attrs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
async def main(): pass
anyio.run(main)
"""
_BOTO3 = """
import boto3
boto3.client("sts", region_name={region!r}, aws_access_key_id="a", aws_secret_access_key="b")
"""


def run(plan: Plan) -> dict[str, Answer]:
    """Store a session, then time processes that use it, and count their instructions."""
    question = "Restart: process start to stored credentials"
    count = Answer(question, "instructions", BARE)
    answer = Answer(
        question,
        "ms",
        BARE,
        goals=(
            Goal("restart against the bare imports", US, BARE, 1.25),
            Goal("restart against the start of a boto3 client", US, "boto3 client", 0.45),
        ),
    )
    with tempfile.TemporaryDirectory() as home, running_server() as (url, _):
        key = base64.b64encode(b"k" * 32).decode()
        environment = {"AMPLIFY_FEDERATION_HOME": home, "AMPLIFY_FEDERATION_KEY": key}
        words = {"pool": POOL_ID, "url": url, "token": TOKEN, "region": REGION}
        store = [sys.executable, "-c", _STORE.format(**words)]
        subprocess.run(store, check=True, env={**os.environ, **environment})
        codes = {
            US: _RESTART.format(**words, loop="asyncio", call="()"),
            BARE: _BARE,
            "the same in anyio.run": _RESTART.format(**words, loop="anyio", call=""),
            "the bare imports, and anyio.run of nothing": _NOTHING,
        }
        if not missing("click"):
            codes["amplify-federation credentials"] = _COMMAND.format(**words)
        if not missing("boto3"):
            codes["boto3 client"] = _BOTO3.format(**words)
        time_processes(answer, plan, codes, environment)
        if not plan.quick:
            count_instructions(count, codes, environment)
    return (
        {"restart": answer, "restart_instructions": count} if count.samples else {"restart": answer}
    )

"""How long from the start of a process to the credentials of a session stored before?

This is what an AWS profile's `credential_process` pays each time. There is no network, and httpx
is never imported; both are checked.
"""

import base64
import os
import subprocess
import sys
import tempfile

from benchmarks.rig.peers import TOKEN
from benchmarks.rig.processes import missing, time_processes
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
import anyio, sys
from amplify_federation import FederatedAuth, IdentityPool
async def main():
    # Port 9 is the discard service's: a call would fail.
    async with FederatedAuth(IdentityPool({pool!r}, endpoint_url="http://127.0.0.1:9")) as auth:
        session = await auth.fetch_auth_session()
        assert session.credentials.secret_access_key
anyio.run(main)
assert "httpx" not in sys.modules
"""
_BARE = """
import asyncio, anyio, attrs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
"""
_BOTO3 = """
import boto3
boto3.client("sts", region_name={region!r}, aws_access_key_id="a", aws_secret_access_key="b")
"""


def run(plan: Plan) -> dict[str, Answer]:
    """Store a session, then time processes that use it."""
    answer = Answer(
        "Restart: process start to stored credentials",
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
        codes = {US: _RESTART.format(**words), BARE: _BARE}
        if not missing("boto3"):
            codes["boto3 client"] = _BOTO3.format(**words)
        time_processes(answer, plan, codes, environment)
    return {"restart": answer}

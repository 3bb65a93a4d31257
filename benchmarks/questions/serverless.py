"""What does an invocation of a Lambda function cost, cold and warm?

The recipe of the integrations' README: one `asyncio.Runner` and one `FederatedUsers` for all
invocations of a process, over a `MemoryStore` or over files in `/tmp`; against boto3's calls of
Cognito without a cache. `init` is the module's import, which Lambda counts apart.
"""

import json
import subprocess
import sys
import tempfile

from benchmarks.rig.peers import TOKEN
from benchmarks.rig.processes import compiled_once, missing
from benchmarks.rig.report import Answer, Goal, Plan
from benchmarks.rig.server import POOL_ID, REGION, running_server

US, FILES, BOTO3 = "amplify_federation, MemoryStore", "amplify_federation, /tmp", "boto3, no cache"
_OURS = """
import asyncio
from amplify_federation import AuthProvider, FederatedUsers, IdentityPool
from amplify_federation import EncryptedFileStore, MemoryStore
runner = asyncio.Runner()
store = {store}
users = FederatedUsers(IdentityPool({pool!r}, endpoint_url={url!r}), store=store)
runner.run(users.__aenter__())
async def answer(event):
    session = await users.session_for(event["token"], AuthProvider.GOOGLE)
    return session.credentials.access_key_id
def handler(event):
    return runner.run(answer(event))
"""
_BOTO3 = """
import boto3
from botocore import UNSIGNED
from botocore.config import Config
cognito = boto3.client(
    "cognito-identity", region_name={region!r}, endpoint_url={url!r},
    config=Config(signature_version=UNSIGNED),
)
def handler(event):
    logins = {{"accounts.google.com": event["token"]}}
    found = cognito.get_id(IdentityPoolId={pool!r}, Logins=logins)
    given = cognito.get_credentials_for_identity(IdentityId=found["IdentityId"], Logins=logins)
    return given["Credentials"]["AccessKeyId"]
"""
_TIMED = """
import json, statistics, sys, time
began = time.perf_counter()
{function}
token, times = sys.argv[1], int(sys.argv[2])
def timed(token):
    begun = time.perf_counter()
    assert handler({{"token": token}})
    return (time.perf_counter() - begun) * 1e3
figures = {{"init": (time.perf_counter() - began) * 1e3, "first invocation": timed(token)}}
figures["warm, same token"] = statistics.median(timed(token) for _ in range(times))
figures["warm, another token"] = statistics.median(timed(f"{{token}}{{n}}") for n in range(times))
print(json.dumps(figures))
"""


def run(plan: Plan) -> dict[str, Answer]:
    """Invoke a fresh process's function once, then again and again, in turns."""
    answer = Answer(
        "A Lambda function: from the user's token to credentials",
        "ms",
        BOTO3,
        goals=(
            Goal("a warm invocation of the same user", US, BOTO3, 0.1, column="warm, same token"),
        ),
    )
    with running_server() as (url, _):
        words = {"pool": POOL_ID, "url": url, "region": REGION}
        for number in range(plan.rounds + 1):
            with tempfile.TemporaryDirectory() as folder:
                for row, function in _functions(words, folder).items():
                    figures = _invoked(function, 3 if plan.quick else 50)
                    # The first round compiles the modules.
                    for column, figure in figures.items() if number else ():
                        answer.add(row, column, figure)
    return {"serverless": answer}


def _functions(words: dict[str, str], folder: str) -> dict[str, str]:
    store = f"EncryptedFileStore({folder + '/sessions'!r}, key=bytes(32))"
    functions = {
        US: _OURS.format(**words, store="MemoryStore()"),
        FILES: _OURS.format(**words, store=store),
    }
    if not missing("boto3"):
        functions[BOTO3] = _BOTO3.format(**words)
    return functions


def _invoked(function: str, times: int) -> dict[str, float]:
    command = [sys.executable, "-c", _TIMED.format(function=function), TOKEN, str(times)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=compiled_once())
    figures: dict[str, float] = json.loads(done.stdout)
    return figures

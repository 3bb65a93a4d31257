"""How long from the start of a process to its first credentials, over loopback?"""

from benchmarks.rig.peers import LOGINS, TOKEN
from benchmarks.rig.processes import missing, time_processes
from benchmarks.rig.report import Answer, Goal, Plan
from benchmarks.rig.server import POOL_ID, REGION, running_server

US = "amplify_federation"
_SDK = """
import anyio
from amplify_federation import AuthProvider, FederatedAuth, IdentityPool, MemoryStore
async def main():
    pool = IdentityPool({pool!r}, endpoint_url={url!r})
    async with FederatedAuth(pool, store=MemoryStore()) as auth:
        result = await auth.federate_to_identity_pool({token!r}, AuthProvider.GOOGLE)
        assert result.credentials.secret_access_key
anyio.run(main)
"""
_BOTO3 = """
import boto3
from botocore import UNSIGNED
from botocore.config import Config
client = boto3.client("cognito-identity", region_name={region!r}, endpoint_url={url!r},
                      config=Config(signature_version=UNSIGNED))
identity = client.get_id(IdentityPoolId={pool!r}, Logins={logins!r})["IdentityId"]
answer = client.get_credentials_for_identity(IdentityId=identity, Logins={logins!r})
assert answer["Credentials"]["SecretKey"]
"""
_AIOBOTOCORE = """
import asyncio
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore import UNSIGNED
async def main():
    async with get_session().create_client(
        "cognito-identity", region_name={region!r}, endpoint_url={url!r},
        config=AioConfig(signature_version=UNSIGNED)) as client:
        found = await client.get_id(IdentityPoolId={pool!r}, Logins={logins!r})
        answer = await client.get_credentials_for_identity(
            IdentityId=found["IdentityId"], Logins={logins!r})
        assert answer["Credentials"]["SecretKey"]
asyncio.run(main())
"""
_CODES = {
    US: (_SDK, ("amplify_federation",)),
    "boto3": (_BOTO3, ("boto3",)),
    "aiobotocore": (_AIOBOTOCORE, ("aiobotocore",)),
}


def run(plan: Plan) -> dict[str, Answer]:
    """Time whole processes."""
    answer = Answer(
        "Cold start: process start to first credentials",
        "ms",
        "aiobotocore",
        goals=(
            Goal("cold start against aiobotocore", US, "aiobotocore", 0.5),
            Goal("cold start against boto3", US, "boto3", 0.8),
        ),
    )
    with running_server() as (url, _):
        words = {"pool": POOL_ID, "url": url, "region": REGION, "token": TOKEN, "logins": LOGINS}
        codes = {
            row: code.format(**words)
            for row, (code, needs) in _CODES.items()
            if not missing(*needs)
        }
        time_processes(answer, plan, codes)
    return {"cold_start": answer}

"""The canary: what the integrations make of a session shows no secret by accident."""

import copy
import pickle
import pprint
import traceback

import anyio.to_thread
import httpx
import pytest

from amplify_federation import ValidationError
from amplify_federation.integrations.data import obstore_credentials, polars_credentials
from amplify_federation.integrations.developer_identities import (
    DeveloperIdentities,
    DeveloperToken,
)
from amplify_federation.integrations.smithy import IdentityResolver
from amplify_federation.integrations.thread_access import ThreadAccess

pytest.importorskip("aiobotocore")
pytest.importorskip("boto3")

from amplify_federation.integrations import boto  # needs the libraries

CANARY = "canary-0123456789-abcdef"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def made(auth, sign_in, moto):
    """Give everything that the integrations make, used once; and the secrets."""
    credentials = (await sign_in(auth)).credentials
    access = ThreadAccess(auth)
    blocking = boto.botocore_credentials(auth)
    session = boto.aiobotocore_session(auth)
    await anyio.to_thread.run_sync(access.credentials)
    await anyio.to_thread.run_sync(blocking.get_frozen_credentials)
    aio = await session.get_credentials()
    await aio.get_frozen_credentials()
    signer = boto.SigV4Auth(auth, "s3")
    async with boto.aws_clients() as clients, httpx.AsyncClient(auth=signer) as client:
        await client.get(moto)
        s3 = await clients.client(auth, "s3", endpoint_url=moto)
        await s3.list_buckets()
        yield (
            [
                access,
                blocking,
                session,
                aio,
                signer,
                boto.boto3_session(auth),
                clients,
                s3,
                s3.get_paginator("list_objects_v2"),
                await boto.presign(auth, "https://b.s3.us-west-2.amazonaws.com/k"),
                obstore_credentials(auth),
                polars_credentials(auth),
                IdentityResolver(auth, dict),
                DeveloperIdentities(auth.pool, "login.example.app"),
                DeveloperToken("us-west-2:1", CANARY),
            ],
            [credentials.secret_access_key, credentials.session_token, CANARY],
        )


async def test_nothing_that_is_made_shows_a_secret(made):
    values, secrets = made
    for value in values:
        shown = [repr(value), f"{value}", pprint.pformat([value])]
        for way in (copy.copy, pickle.dumps):
            try:
                shown.append(repr(way(value)))
            except (TypeError, AttributeError, pickle.PicklingError):
                continue
        token_itself = isinstance(value, DeveloperToken)  # a value for its client, told as JSON
        for text in shown[:3] if token_itself or type(value).__name__ == "PresignedURL" else shown:
            assert not [secret for secret in secrets if secret in text], value


async def test_no_frame_of_a_failure_holds_a_secret(auth, sign_in):
    credentials = (await sign_in(auth)).credentials

    async def stream():
        yield b""

    failures = []
    async with httpx.AsyncClient(auth=boto.SigV4Auth(auth, "execute-api")) as client:
        with pytest.raises(ValidationError) as caught:
            await client.put("https://api.example", content=stream())
        failures.append(caught.value)
    with pytest.raises(ValidationError) as caught:
        await boto.presign(auth, "https://b.s3.us-west-2.amazonaws.com/k", expires_in=7200)
    failures.append(caught.value)
    now = (await auth.fetch_auth_session()).credentials
    for failure in failures:
        shown = traceback.TracebackException.from_exception(failure, capture_locals=True)
        text = "".join(shown.format())
        for each in (credentials, now):
            assert each.secret_access_key not in text
            assert each.session_token not in text

"""AWS CRT's delegate provider, asked by CRT's own signer."""

import anyio.to_thread
import pytest

from amplify_federation import SignedOutError
from amplify_federation.integrations import live_session
from amplify_federation.integrations.crt import crt_credentials

HOUR = 3600.0
in_thread = anyio.to_thread.run_sync


def asked(provider):
    given = provider.get_credentials().result(10)
    return given.access_key_id, given.secret_access_key, given.session_token, given.expiration


async def test_crt_is_given_the_live_credentials_through_a_renewal(auth, sign_in, fake):
    pytest.importorskip("awscrt", reason="awscrt is not installed")
    await sign_in(auth)
    provider = crt_credentials(auth)
    seen = []
    for _ in range(2):
        now = (await auth.fetch_auth_session()).credentials
        expected = (now.access_key_id, now.secret_access_key, now.session_token, now.expiration)
        assert await in_thread(asked, provider) == expected
        seen.append(now.access_key_id)
        fake.advance(HOUR)
    assert seen[0] != seen[1]


async def test_crt_signs_with_them(auth, sign_in):
    crt = pytest.importorskip("awscrt.auth", reason="awscrt is not installed")
    from awscrt.http import HttpHeaders, HttpRequest  # noqa: PLC0415  # where it is installed

    result = await sign_in(auth)
    provider = crt_credentials(auth)

    def sign():
        request = HttpRequest("GET", "/mqtt", HttpHeaders([("host", "iot.example")]))
        config = crt.AwsSigningConfig(
            credentials_provider=provider, region="us-west-2", service="iotdevicegateway"
        )
        return crt.aws_sign_request(request, config).result(10).headers.get("Authorization")

    assert result.credentials.access_key_id in await in_thread(sign)


# CRT prints what its delegate raises, and fails with an error of its own.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_signed_out_session_fails_what_crt_was_asked_for(auth, capfd):
    pytest.importorskip("awscrt", reason="awscrt is not installed")
    provider = crt_credentials(auth)
    with pytest.raises(Exception) as caught:  # CRT's or ours
        await in_thread(asked, provider)
    assert isinstance(caught.value, SignedOutError) or "AWS_" in str(caught.value)


async def test_a_missing_awscrt_is_named(auth, monkeypatch):
    monkeypatch.setattr(live_session, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"amplify-federation\[crt\]"):
        crt_credentials(auth)

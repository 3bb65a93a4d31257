"""The mistakes that people make with arguments: each message says what is wrong and what to do."""

import asyncio
import inspect

import pytest

from amplify_federation import (
    AuthError,
    AuthProvider,
    AuthSettings,
    ConfigurationError,
    EncryptedFileStore,
    FederatedAuth,
    FederatedUsers,
    IdentityPool,
    InvalidAccountTypeError,
    InvalidStateError,
    KeyFile,
    MemoryStore,
    ValidationError,
)
from amplify_federation.testing import FakeCognito

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
GOOGLE = AuthProvider.GOOGLE
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

# What was done, the error, words of what is wrong, words of what to do.
CONSTRUCTION = {
    "the pool's id without its region": (
        lambda: IdentityPool("b4cd4809-7ab1-42e1-b044-07dab9eaa768"),
        ConfigurationError, "identity pool id", "looks like",
    ),
    "a user pool's id": (
        lambda: IdentityPool("us-west-2_Ab1Cd2Ef3"),
        ConfigurationError, "is a user pool's id", "identity pool",
    ),
    "a region that the id contradicts": (
        lambda: IdentityPool(POOL, region="eu-west-1"),
        ConfigurationError, "eu-west-1", "us-west-2",
    ),
    "the pool as a dictionary": (
        lambda: FederatedAuth({"identity_pool_id": POOL}),
        ConfigurationError, "not dict", "IdentityPool",
    ),
    "a configuration without an identity pool": (
        lambda: IdentityPool.from_amplify_config({"version": "1", "auth": {"user_pool_id": "x"}}),
        InvalidAccountTypeError, "identity pool", "IdentityPool",
    ),
    "an endpoint without a scheme": (
        lambda: IdentityPool(POOL, endpoint_url="localhost:8000"),
        ConfigurationError, "scheme http or https", "'http://127.0.0.1:4566'",
    ),
    "an issuer that is no URL": (
        lambda: AuthProvider.oidc("my company"), ValidationError, "issuer", "",
    ),
    "a SAML provider's name in place of its ARN": (
        lambda: AuthProvider.saml("MyProvider"), ValidationError, "SAML", "arn:",
    ),
    "settings as a dictionary": (
        lambda: FederatedAuth(POOL, settings={"timeout": 3}),
        ValidationError, "not dict", "AuthSettings",
    ),
    "a timeout of nothing": (
        lambda: AuthSettings(timeout=0), ValidationError, "timeout", "seconds",
    ),
    "a client of another library": (
        lambda: FederatedAuth(POOL, http_client=object()),
        ConfigurationError, "not object", "httpx.AsyncClient",
    ),
    "a key of the wrong length": (
        lambda: EncryptedFileStore("/tmp/never", key=b"short"),
        ConfigurationError, "key", "32 bytes",
    ),
    "a session's name of nothing": (
        lambda: FederatedAuth(POOL, session_name=""),
        ValidationError, "session_name", "1 to 128 characters",
    ),
    "no users at all": (
        lambda: FederatedUsers(POOL, max_users=0), ValidationError, "max_users", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", CONSTRUCTION)
def test_a_mistake_at_construction_is_told_with_what_to_do(mistake):
    make, kind, wrong, remedy = CONSTRUCTION[mistake]
    with pytest.raises(kind) as caught:
        make()
    said = f"{caught.value.message} {caught.value.recovery_suggestion}"
    assert wrong.lower() in caught.value.message.lower(), said
    assert remedy.lower() in said.lower(), said
    assert caught.value.message.endswith((".", ")")), said


TOKENS = {
    "no string": (None, GOOGLE, "must be a string", ""),
    "bytes": (JWT.encode(), GOOGLE, "must be a string", "not bytes"),
    "nothing": ("", GOOGLE, "is empty", "identity provider issued"),
    "in quotes": (f'"{JWT}"', GOOGLE, "quotation mark", "without quotes"),
    "a whole header": (f"Bearer {JWT}", GOOGLE, "begins with `Bearer `", "what follows"),
    "the provider's answer": (f'{{"id_token": "{JWT}"}}', GOOGLE, "is JSON", "`id_token`"),
    "with a line break": (f"{JWT}\n", GOOGLE, "line break", "copy it whole"),
    "too long": ("x" * 50_001, GOOGLE, "50001 characters", "at most 50000"),
}


@pytest.mark.parametrize("mistake", TOKENS)
def test_a_mistake_with_a_token_is_told_before_anything_is_sent(mistake):
    token, provider, wrong, remedy = TOKENS[mistake]
    fake = FakeCognito()

    async def main():
        async with FederatedAuth(POOL, store=MemoryStore()) as auth:
            with pytest.raises(ValidationError) as caught:
                await auth.federate_to_identity_pool(token, provider)
        assert wrong in caught.value.message
        assert remedy in caught.value.message
        assert JWT not in str(caught.value)

    asyncio.run(main())
    assert fake.calls == []


@pytest.mark.parametrize("provider", ["google", "accounts.google.com", None, AuthProvider])
def test_a_provider_that_is_none_is_told_with_how_to_name_one(provider):
    async def main():
        async with FederatedAuth(POOL, store=MemoryStore()) as auth:
            with pytest.raises(ValidationError, match="AuthProvider") as caught:
                await auth.federate_to_identity_pool(JWT, provider)
        assert "AuthProvider.GOOGLE" in caught.value.message
        assert "AuthProvider.oidc(" in caught.value.message

    asyncio.run(main())


def test_an_access_token_in_place_of_an_id_token_is_told_by_cognito_with_what_to_pass():
    fake = FakeCognito()

    async def main():
        async with fake.serve() as url:
            pool = IdentityPool(fake.create_identity_pool(), endpoint_url=url)
            async with FederatedAuth(pool, store=MemoryStore()) as auth:
                with pytest.raises(AuthError) as caught:
                    await auth.federate_to_identity_pool("ya29.an-access-token", GOOGLE)
        assert caught.value.reason == "token_malformed"
        assert "Pass the ID token" in caught.value.recovery_suggestion

    asyncio.run(main())


def test_a_saml_response_wrapped_at_76_columns_is_taken():
    fake = FakeCognito()
    seen = []

    async def main():
        async with fake.serve() as url:
            pool = IdentityPool(fake.create_identity_pool(), endpoint_url=url)
            saml = AuthProvider.saml("arn:aws:iam::123456789012:saml-provider/Company")
            async with FederatedAuth(pool, store=MemoryStore()) as auth:
                with pytest.raises(AuthError):  # the pool knows no such provider
                    await auth.federate_to_identity_pool("PHNh\r\nbWw+\n", saml)
                seen.extend(fake.calls)

    asyncio.run(main())
    assert seen[0].input["Logins"] == {
        "arn:aws:iam::123456789012:saml-provider/Company": "PHNhbWw+"
    }


def test_a_session_used_from_a_second_loop_says_so():
    auth = FederatedAuth(POOL, store=MemoryStore())
    asyncio.run(auth.fetch_auth_session())
    with pytest.raises(InvalidStateError, match="second event loop") as caught:
        asyncio.run(auth.fetch_auth_session())
    assert "each event loop" in caught.value.recovery_suggestion
    # The advice, followed.
    asyncio.run(FederatedAuth(POOL, store=MemoryStore()).fetch_auth_session())


def test_a_session_used_after_its_end_says_what_to_make():
    async def main():
        auth = FederatedAuth(POOL, store=MemoryStore())
        await auth.aclose()
        with pytest.raises(InvalidStateError, match="closed") as caught:
            await auth.fetch_auth_session()
        assert "Make a new" in caught.value.recovery_suggestion

    asyncio.run(main())


def test_a_missing_await_is_told_by_python():
    auth = FederatedAuth(POOL, store=MemoryStore())
    forgotten = auth.fetch_auth_session()
    assert inspect.iscoroutine(forgotten)  # Python warns: "was never awaited"
    forgotten.close()


def test_a_key_files_path_that_does_not_exist_is_named():
    async def main():
        from amplify_federation import SessionKeyError  # noqa: PLC0415  # only here

        store = EncryptedFileStore("/tmp/never-made", key=KeyFile("/nowhere/key"))
        with pytest.raises(SessionKeyError, match="/nowhere/key"):
            await store.compare_and_set("name", b"data", expected=None)

    asyncio.run(main())

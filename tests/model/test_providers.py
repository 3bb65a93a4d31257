import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._model.providers import MAX_LOGIN_KEY, AuthProvider
from amplify_federation.errors import ValidationError

ARN = "arn:aws:iam::123456789012:saml-provider/Name"


def test_the_public_providers_have_the_keys_that_cognito_knows():
    assert {
        name: getattr(AuthProvider, name).login_key
        for name in ("GOOGLE", "FACEBOOK", "AMAZON", "APPLE", "TWITTER", "DEVELOPER")
    } == {
        "GOOGLE": "accounts.google.com",
        "FACEBOOK": "graph.facebook.com",
        "AMAZON": "www.amazon.com",
        "APPLE": "appleid.apple.com",
        "TWITTER": "api.twitter.com",
        "DEVELOPER": "cognito-identity.amazonaws.com",
    }


@pytest.mark.parametrize(
    ("issuer", "key"),
    [
        ("https://issuer.example.com", "issuer.example.com"),
        ("https://issuer.example.com/", "issuer.example.com"),
        ("HTTPS://issuer.example.com/a/b/", "issuer.example.com/a/b"),
        ("http://localhost:8080/realms/x", "localhost:8080/realms/x"),
        ("issuer.example.com/~tenant", "issuer.example.com/~tenant"),
    ],
)
def test_an_issuer_loses_its_scheme_and_trailing_slash(issuer, key):
    assert AuthProvider.oidc(issuer).login_key == key


@pytest.mark.parametrize(
    "issuer",
    [
        "", "https://", "ftp://issuer.example.com", "https://issuer.example.com?x=1",
        "https://issuer.example.com#x", "https://user@issuer.example.com", "https://.example.com",
        "https://issuer.example.com\n", "issuer example.com", "\u0131ssuer.example.com", None, 7,
        "a." * 64 + "com",
    ],
)  # fmt: skip
def test_what_is_no_issuer_is_refused(issuer):
    with pytest.raises(ValidationError):
        AuthProvider.oidc(issuer)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_a_saml_provider_is_its_arn(partition):
    arn = ARN.replace("arn:aws:", f"arn:{partition}:")
    assert AuthProvider.saml(arn).login_key == arn


@pytest.mark.parametrize(
    "arn",
    [
        "",
        ARN + "\n",
        ARN.replace("saml", "oidc"),
        ARN.replace("123456789012", "1234"),
        ARN + " x",
        1,
    ],
)
def test_what_is_no_saml_arn_is_refused(arn):
    with pytest.raises(ValidationError, match="saml-provider"):
        AuthProvider.saml(arn)


@pytest.mark.parametrize(
    ("pool_id", "key"),
    [
        ("us-west-2_Ab1Cd2Ef3", "cognito-idp.us-west-2.amazonaws.com/us-west-2_Ab1Cd2Ef3"),
        ("cn-north-1_Ab1", "cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Ab1"),
        ("eusc-de-east-1_Ab1", "cognito-idp.eusc-de-east-1.amazonaws.eu/eusc-de-east-1_Ab1"),
    ],
)
def test_a_user_pool_is_found_under_its_regions_domain(pool_id, key):
    assert AuthProvider.cognito_user_pool(pool_id).login_key == key
    assert AuthProvider.cognito_user_pool(pool_id, pool_id.partition("_")[0]).login_key == key


@pytest.mark.parametrize(
    "pool_id", ["", "us-west-2", "us-west-2_", "us-west-2_a-b", "us-west-2_a\n"]
)
def test_what_is_no_user_pool_id_is_refused(pool_id):
    with pytest.raises(ValidationError, match="user pool id"):
        AuthProvider.cognito_user_pool(pool_id)


def test_a_user_pool_id_has_at_most_55_characters():
    fitting = "us-west-2_" + "a" * 45
    assert AuthProvider.cognito_user_pool(fitting).login_key.endswith(fitting)
    with pytest.raises(ValidationError, match="55"):
        AuthProvider.cognito_user_pool(fitting + "a")


def test_a_region_that_disagrees_with_the_user_pool_is_refused():
    with pytest.raises(ValidationError, match="disagrees"):
        AuthProvider.cognito_user_pool("us-west-2_Ab1", "us-east-1")


def test_a_login_key_has_1_to_128_characters():
    assert AuthProvider.custom("k" * MAX_LOGIN_KEY).login_key == "k" * 128
    assert AuthProvider.custom("k").login_key == "k"
    for key in ("", "k" * (MAX_LOGIN_KEY + 1)):
        with pytest.raises(ValidationError, match="128"):
            AuthProvider.custom(key)


@pytest.mark.parametrize("key", [None, 1, b"key", "a\nb", "a\0b"])
def test_a_login_key_is_printable_text(key):
    with pytest.raises(ValidationError):
        AuthProvider.custom(key)


def test_two_providers_with_one_key_are_equal():
    google = AuthProvider.oidc("https://accounts.google.com/")
    assert google == AuthProvider.GOOGLE == AuthProvider.custom("accounts.google.com")
    assert hash(google) == hash(AuthProvider.GOOGLE)
    assert google != AuthProvider.APPLE


@given(st.text())
def test_any_text_makes_a_provider_or_a_validation_error(text):
    for make in (AuthProvider.oidc, AuthProvider.saml, AuthProvider.cognito_user_pool):
        try:
            key = make(text).login_key
        except ValidationError:
            continue
        assert 0 < len(key) <= MAX_LOGIN_KEY
        assert key.isascii()
        assert key.isprintable()


@pytest.mark.parametrize(
    ("name", "constant"), [("google", "GOOGLE"), ("Facebook", "FACEBOOK"), ("AMAZON", "AMAZON")]
)
@pytest.mark.parametrize("make", [AuthProvider, AuthProvider.custom])
def test_a_nickname_of_a_provider_is_told_with_its_constant(make, name, constant):
    with pytest.raises(ValidationError, match=rf"use AuthProvider\.{constant}\."):
        make(name)


def test_a_login_key_with_a_scheme_is_told_with_the_maker_for_issuers():
    with pytest.raises(ValidationError, match=r"use AuthProvider\.oidc\('https://a\.example'\)"):
        AuthProvider.custom("https://a.example")
    assert AuthProvider.oidc("https://a.example").login_key == "a.example"  # the advice, followed


@pytest.mark.parametrize("document", ["openid-configuration", "jwks.json"])
def test_the_url_of_an_issuers_configuration_is_told_with_the_issuer(document):
    with pytest.raises(ValidationError, match=r"'https://a\.example/tenant'\."):
        AuthProvider.oidc(f"https://a.example/tenant/.well-known/{document}")

import click
import pytest

from amplify_federation import AuthProvider
from amplify_federation.cli.providers import ProviderType

ARN = "arn:aws:iam::123456789012:saml-provider/Corp"


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        ("google", AuthProvider.GOOGLE),
        ("Facebook", AuthProvider.FACEBOOK),
        ("amazon", AuthProvider.AMAZON),
        ("apple", AuthProvider.APPLE),
        ("twitter", AuthProvider.TWITTER),
        ("developer", AuthProvider.DEVELOPER),
        ("oidc:https://issuer.example.com/a", AuthProvider.oidc("https://issuer.example.com/a")),
        (f"saml:{ARN}", AuthProvider.saml(ARN)),
        ("user-pool:us-west-2_Ab1", AuthProvider.cognito_user_pool("us-west-2_Ab1")),
        ("custom:my.login", AuthProvider.custom("my.login")),
    ],
)
def test_a_provider_is_named(text, provider):
    assert ProviderType().convert(text, None, None) == provider
    assert ProviderType().convert(provider, None, None) == provider


@pytest.mark.parametrize("text", ["goggle", "", "oidc:", "saml:no-arn", "user-pool:x", "custom:"])
def test_what_names_no_provider_is_wrong_usage(text):
    with pytest.raises(click.BadParameter):
        ProviderType().convert(text, None, None)


def test_names_and_kinds_are_offered_to_the_shell():
    offered = [item.value for item in ProviderType().shell_complete(None, None, "")]
    assert {"google", "apple", "oidc:", "saml:"} <= set(offered)

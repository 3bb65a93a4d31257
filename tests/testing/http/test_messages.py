import attrs
import pytest

from amplify_federation.testing import Call


def call_with(given):
    return Call("GetId", given, {"authorization": "canary"}, 200, None, "1")


@pytest.mark.parametrize(
    "given",
    [
        {"Logins": {"accounts.google.com": "canary"}},
        {"Logins": "canary"},
        {"Logins": ["canary"]},
        {"Logins": 7},
    ],
)
def test_repr_masks_the_tokens_and_leaves_them_to_the_test(given):
    call = call_with({"IdentityPoolId": "pool"} | given)
    assert "canary" not in repr(call)
    assert "'IdentityPoolId': 'pool'" in repr(call)
    assert call.input["Logins"] == given["Logins"]


def test_repr_names_the_providers():
    shown = repr(call_with({"Logins": {"accounts.google.com": "canary"}}))
    assert "{'accounts.google.com': '[secure]'}" in shown


@pytest.mark.parametrize("given", [None, {}])
def test_repr_of_an_empty_input_is_short(given):
    assert f"input={given}" in repr(call_with(given))


def test_call_is_frozen():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        call_with({}).status = 500

import pytest

from amplify_federation.testing import FakeCognito
from amplify_federation.testing._http.endpoint import check_signature
from amplify_federation.testing._service.errors import ServiceRefusal

SCOPE = "AKIDEXAMPLE/20270115/us-west-2/cognito-identity/aws4_request"
DATE = {"x-amz-date": "20270115T080000Z"}


def header(*, scope=SCOPE, signature="0" * 64, signed_headers="host"):
    return (
        f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed_headers},"
        f" Signature={signature}"
    )


def test_signature_tells_the_region():
    assert check_signature({"authorization": header(), **DATE}) == "us-west-2"


@pytest.mark.parametrize(
    ("headers", "code", "text"),
    [
        ({}, "MissingAuthenticationTokenException", "Missing"),
        ({"authorization": "Bearer x"}, "MissingAuthenticationTokenException", "Missing"),
        ({"authorization": header(signature=""), **DATE}, "IncompleteSignature", "'Signature'"),
        ({"authorization": header(scope=""), **DATE}, "IncompleteSignature", "'Credential'"),
        ({"authorization": header()}, "IncompleteSignature", "'X-Amz-Date'"),
        ({"authorization": header(scope="AKID/x"), **DATE}, "IncompleteSignature", "5 slash"),
        (
            {"authorization": header(scope=SCOPE.replace("cognito-identity", "s3")), **DATE},
            "InvalidSignature",
            "correct service: 'cognito-identity'",
        ),
        ({"authorization": header(signature="zz"), **DATE}, "InvalidSignature", "calculated"),
    ],
)
def test_request_without_a_whole_signature_is_refused(headers, code, text):
    with pytest.raises(ServiceRefusal, match=text) as refused:
        check_signature(headers)
    assert refused.value.code.startswith(code)


def test_signed_operation_asks_for_a_signature_unless_switched_off(call, clock):
    reply = call("ListIdentityPools", MaxResults=1)
    assert (reply.status, reply.code) == (400, "MissingAuthenticationTokenException")
    assert call("GetId", IdentityPoolId="us-west-2:0").code == "ResourceNotFoundException"
    relaxed = type(call)(FakeCognito(clock=clock, check_signatures=False))
    assert relaxed("ListIdentityPools", MaxResults=1).body == {"IdentityPools": []}

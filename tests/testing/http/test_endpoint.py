import json

import pytest

JSON = "application/x-amz-json-1.1"
GET_ID = "AWSCognitoIdentityService.GetId"


def test_success_is_json_with_a_request_id_and_the_servers_date(call, fake, pool):
    first, second = (call("GetId", IdentityPoolId=pool) for _ in range(2))
    assert first.status == 200
    assert first.headers["content-type"] == JSON
    assert first.headers["content-length"] == str(len(first.response.body))
    assert first.headers["date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    assert first.headers["x-amzn-requestid"] != second.headers["x-amzn-requestid"]
    fake.advance(61)
    assert call("GetId").headers["date"] == "Fri, 15 Jan 2027 08:01:01 GMT"


def test_error_is_named_in_body_and_header(call):
    reply = call("GetId")
    assert reply.status == 400
    assert reply.headers["content-type"] == JSON
    assert reply.headers["x-amzn-requestid"]
    assert reply.headers["x-amzn-errortype"] == f"{reply.code}:"
    assert set(reply.body) == {"__type", "message"}


@pytest.mark.parametrize(
    "target",
    ["AWSCognitoIdentityService.GetIdX", "AWSCognitoIdentityService.", "", "GetId", "Other.GetId"],
)
def test_unknown_target_is_an_unknown_operation(call, target):
    reply = call.send(b"not even json", content_type=JSON, x_amz_target=target)
    assert (reply.status, reply.body) == (400, {"__type": "UnknownOperationException"})


def test_missing_target_is_an_unknown_operation(call):
    assert call.send(content_type=JSON).body == {"__type": "UnknownOperationException"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000])
def test_body_that_is_no_json_object_is_not_serialized(call, body):
    reply = call.send(body, content_type=JSON, x_amz_target=GET_ID)
    message = {"Message": "Start of list found where not expected"} if body == b"[]" else {}
    assert (reply.status, reply.body) == (400, {"__type": "SerializationException"} | message)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-amz-json-1.0", ""])
def test_other_content_types_reach_no_operation(call, fake, content_type):
    reply = call.send(content_type=content_type, x_amz_target=GET_ID)
    assert (reply.status, reply.headers["content-type"]) == (404, "application/xml")
    assert b"UnknownOperationException" in reply.response.body
    assert fake.calls == []


def test_content_type_may_name_a_charset(call, pool):
    body = json.dumps({"IdentityPoolId": pool}).encode()
    reply = call.send(body, content_type=f"{JSON}; charset=utf-8", x_amz_target=GET_ID)
    assert reply.status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
def test_other_methods_reach_no_operation(call, method):
    assert call.send(method=method, content_type=JSON, x_amz_target=GET_ID).status == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("cognito-identity.us-west-2.amazonaws.com", 200),
        ("cognito-identity-fips.us-west-2.api.aws", 200),
        ("cognito-identity.us-east-1.amazonaws.com", 400),
        ("127.0.0.1:8080", 200),
        ("cognito.test", 200),
    ],
)
def test_endpoint_of_a_region_knows_the_pools_of_that_region(call, pool, host, status):
    headers = {"content_type": JSON, "x_amz_target": GET_ID}
    reply = call.send(json.dumps({"IdentityPoolId": pool}).encode(), host=host, **headers)
    assert reply.status == status
    if status == 400:
        assert reply.message == f"IdentityPool '{pool}' not found."
        guest = call.identity(pool)
        headers["x_amz_target"] = "AWSCognitoIdentityService.GetCredentialsForIdentity"
        reply = call.send(json.dumps({"IdentityId": guest}).encode(), host=host, **headers)
        assert reply.message == f"Identity '{guest}' not found."


def test_calls_are_recorded_with_what_was_sent_and_answered(call, fake, pool):
    call("GetId", IdentityPoolId=pool)
    refused = call("GetId", IdentityPoolId="x", Logins={"accounts.google.com": "canary"})
    call.send(b"{", content_type=JSON, x_amz_target=GET_ID)
    call("Surprise")
    assert [(one.operation, one.status, one.code) for one in fake.calls] == [
        ("GetId", 200, None),
        ("GetId", 400, "ValidationException"),
        ("GetId", 400, "SerializationException"),
        ("Surprise", 400, "UnknownOperationException"),
    ]
    assert fake.calls[0].input == {"IdentityPoolId": pool}
    assert fake.calls[0].headers["x-amz-target"] == GET_ID
    assert fake.calls[1].input["Logins"] == {"accounts.google.com": "canary"}
    assert fake.calls[1].request_id == refused.headers["x-amzn-requestid"]
    assert fake.calls[2].input is None
    fake.calls.clear()
    assert repr(fake) == "<FakeCognito us-west-2: 1 pools, 0 calls>"


@pytest.mark.parametrize("logins", [{"accounts.google.com": "canary"}, "canary", ["canary"], None])
def test_record_of_a_call_shows_no_token(call, fake, logins):
    call("GetId", IdentityPoolId="x", Logins=logins)
    shown = repr(fake.calls)
    assert "canary" not in shown
    assert "IdentityPoolId" in shown


def test_message_of_any_length_and_text_fits_into_a_header(call):
    reply = call("GetId", IdentityPoolId="é\n" + "x" * 100_000)
    assert len(reply.headers["x-amzn-errormessage"]) == 4096
    assert "Value '??xx" in reply.headers["x-amzn-errormessage"]
    assert len(reply.message) > 100_000


def test_page_of_another_origin_may_read_what_the_service_exposes(call, pool):
    for reply in (call("GetId", IdentityPoolId=pool), call("GetId")):
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["access-control-expose-headers"].split(",") == [
            "x-amzn-RequestId", "x-amzn-ErrorType", "x-amzn-ErrorMessage", "Date",
        ]  # fmt: skip


def test_head_request_of_a_document_has_its_headers_alone(call):
    where = {"host": "accounts.google.com", "path": "/.well-known/openid-configuration"}
    head, got = (call.send(method=method, **where).response for method in ("HEAD", "GET"))
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"] != "0"

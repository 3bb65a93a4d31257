import pytest

from amplify_federation.testing._service.errors import ServiceRefusal
from amplify_federation.testing._service.model import (
    OPERATIONS,
    Flag,
    ListOf,
    MapOf,
    Number,
    Structure,
    Text,
)
from amplify_federation.testing._service.validation import validate

POOL = "us-west-2:00000000-0000-0000-0000-000000000000"
TOKENS = {f"login{number}.example.com": "t" for number in range(11)}


def assert_invalid(reply, *texts):
    assert (reply.status, reply.code) == (400, "ValidationException"), reply.body
    for text in texts:
        assert text in reply.message


@pytest.mark.parametrize(
    ("operation", "given", "text"),
    [
        ("GetId", {}, "at 'identityPoolId' failed to satisfy constraint: Member must not be null"),
        ("GetId", {"IdentityPoolId": None}, "Member must not be null"),
        ("GetId", {"IdentityPoolId": ""}, "length greater than or equal to 1"),
        ("GetId", {"IdentityPoolId": "us-west-2_pool"}, r"pattern: [\w-]+:[0-9a-f-]+"),
        ("GetId", {"IdentityPoolId": POOL + "\n"}, "pattern"),
        ("GetId", {"IdentityPoolId": "é:0"}, "pattern"),
        ("GetId", {"IdentityPoolId": "r:" + "0" * 54}, "length less than or equal to 55"),
        ("GetId", {"IdentityPoolId": POOL, "AccountId": "12a"}, r"pattern: \d+"),
        ("GetId", {"IdentityPoolId": POOL, "AccountId": "1" * 16}, "less than or equal to 15"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": TOKENS}, "less than or equal to 10"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": {"k" * 129: "t"}}, "equal to 128"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": {"": "t"}}, "equal to 128"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": {"k": ""}}, "equal to 50000"),
        ("GetId", {"IdentityPoolId": POOL, "Logins": {"k": "t" * 50_001}}, "equal to 50000"),
        ("GetCredentialsForIdentity", {}, "'identityId'"),
        (
            "GetCredentialsForIdentity",
            {"IdentityId": POOL, "CustomRoleArn": "a" * 19},
            "greater than or equal to 20",
        ),
        (
            "GetCredentialsForIdentity",
            {"IdentityId": POOL, "CustomRoleArn": "a" * 2049},
            "less than or equal to 2048",
        ),
        ("GetOpenIdToken", {}, "'identityId'"),
        ("UnlinkIdentity", {"IdentityId": POOL, "LoginsToRemove": []}, "'logins'"),
        ("UnlinkIdentity", {"IdentityId": POOL, "Logins": {}}, "'loginsToRemove'"),
        (
            "UnlinkIdentity",
            {"IdentityId": POOL, "Logins": {}, "LoginsToRemove": ["k" * 129]},
            "equal to 128",
        ),
    ],
)
def test_input_over_a_limit_is_a_validation_error(call, operation, given, text):
    assert_invalid(call(operation, **given), " detected: ", text)


def test_all_that_is_wrong_is_told_at_once(call):
    reply = call("GetId", IdentityPoolId="", Logins={"graph.facebook.com": ""})
    assert (reply.code, reply.message) == (
        "ValidationException",
        (
            "3 validation errors detected: Value '{graph.facebook.com=}' at 'logins' failed to"
            " satisfy constraint: Map value must satisfy constraint: [Member must have length"
            " less than or equal to 50000, Member must have length greater than or equal to 1];"
            " Value '' at 'identityPoolId' failed to satisfy constraint: Member must have length"
            " greater than or equal to 1; Value '' at 'identityPoolId' failed to satisfy"
            r" constraint: Member must satisfy regular expression pattern: [\w-]+:[0-9a-f-]+"
        ),
    )


def test_token_over_the_limit_is_not_echoed(call):
    reply = call("GetId", IdentityPoolId=POOL, Logins={"k": "canary" * 10_000})
    assert "canary" not in reply.message


@pytest.mark.parametrize(
    ("operation", "given", "message"),
    [
        ("GetId", {"IdentityPoolId": 7}, "NUMBER_VALUE can not be converted to a String"),
        ("GetId", {"IdentityPoolId": False}, "FALSE_VALUE can not be converted to a String"),
        ("GetId", {"Logins": "token"}, "Expected map or null"),
        ("GetId", {"Logins": ["token"]}, "Start of list found where not expected"),
        ("GetId", {"Logins": {"k": {}}}, "Start of structure or map found where not expected."),
        ("GetId", {"Logins": {"accounts.google.com": None}}, None),
        ("UnlinkIdentity", {"LoginsToRemove": "k"}, "Expected list or null"),
        (
            "ListIdentityPools",
            {"MaxResults": "1"},
            "STRING_VALUE can not be converted to an Integer",
        ),
        (
            "ListIdentityPools",
            {"MaxResults": True},
            "TRUE_VALUE can not be converted to an Integer",
        ),
        ("ListIdentities", {"HideDisabled": 1}, "NUMBER_VALUE can not be converted to a Boolean"),
        ("SetIdentityPoolRoles", {"RoleMappings": {"k": "v"}}, "Expected null"),
    ],
)
def test_input_of_a_wrong_type_is_not_serialized(operation, given, message):
    with pytest.raises(ServiceRefusal) as refused:
        validate(operation, given)
    assert (refused.value.code, refused.value.message) == ("SerializationException", message)


def test_limits_themselves_are_within(call, fake):
    pool = fake.create_identity_pool(guest_access=True)
    reply = call("GetId", IdentityPoolId=pool, AccountId="1" * 15, Logins={"k" * 128: "t" * 50_000})
    assert reply.code == "NotAuthorizedException"


def test_unknown_members_are_passed_over(call, fake):
    pool = fake.create_identity_pool(guest_access=True)
    assert call("GetId", IdentityPoolId=pool, Colour="blue", Logins=None).status == 200


def breaches(shape):  # noqa: PLR0912  # one branch a limit
    """Give values that break each limit below a shape, with a word of the text that says so."""
    match shape:
        case Structure():
            for name, inner in shape.members.items():
                for value, text in breaches(inner):
                    yield {**sample(shape), name: value}, text
                if name in shape.required:
                    given = sample(shape)
                    del given[name]
                    yield given, "Member must not be null"
        case ListOf():
            for value, text in breaches(shape.member):
                yield [value], text
            if shape.maximum:
                yield [sample(shape.member)] * (shape.maximum + 1), f"equal to {shape.maximum}"
            if shape.minimum:
                yield [], f"equal to {shape.minimum}"
        case MapOf():
            for value, text in breaches(shape.key):
                yield {value: sample(shape.value)}, text
            for value, text in breaches(shape.value):
                yield {sample(shape.key): value}, text
            if shape.maximum and not shape.key.pattern:
                many = {f"key{number}": sample(shape.value) for number in range(shape.maximum + 1)}
                yield many, f"equal to {shape.maximum}"
        case Number():
            yield shape.minimum - 1, f"equal to {shape.minimum}"
            yield shape.maximum + 1, f"equal to {shape.maximum}"
        case Text():
            if shape.minimum:
                yield "", f"equal to {shape.minimum}"
            if shape.maximum:
                yield "0" * (shape.maximum + 1), f"equal to {shape.maximum}"
            if shape.pattern:
                yield "\n" if "S" in shape.pattern else "\0", shape.pattern
            if shape.values:
                yield "Other", "enum value set"


def sample(shape):
    """Return a value within every limit of a shape."""
    match shape:
        case Structure():
            return {name: sample(shape.members[name]) for name in shape.required}
        case ListOf():
            return [sample(shape.member)]
        case MapOf():
            return {sample(shape.key): sample(shape.value)}
        case Number():
            return shape.minimum
        case Flag():
            return True
        case Text(values=[first, *_]):
            return first
        case Text(pattern=r"[\w-]+:[0-9a-f-]+"):
            return POOL
        case Text(pattern="(un)?authenticated"):
            return "authenticated"
        case Text():
            return "1" * max(shape.minimum or 0, 1)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_limit_of_an_operation_is_kept(name):
    shape = OPERATIONS[name].input
    validate(name, sample(shape))
    tried = list(breaches(shape))
    for given, text in tried:
        with pytest.raises(ServiceRefusal) as refused:
            validate(name, given)
        assert refused.value.code == "ValidationException"
        assert text in refused.value.message, given
    assert len(tried) >= len(shape.required)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_member_of_a_wrong_type_is_not_serialized(name):
    shape = OPERATIONS[name].input
    for member in shape.members:
        with pytest.raises(ServiceRefusal) as refused:
            validate(name, {**sample(shape), member: 1.5})
        assert refused.value.code == "SerializationException"

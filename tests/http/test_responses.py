import errno
import gzip
import ssl
import zlib

import pytest

from amplify_federation._async.worker_thread import NoThreadError
from amplify_federation._cognito.decoding import MAX_BODY, UndecodableError
from amplify_federation._http.responses import (
    exchange,
    leaf,
    network_error,
    reply_of_hook,
    without_causes,
)
from tests.http.served import Reply, serving

CANARY = "canary-of-a-token"


@pytest.fixture(params=["httpx", "httpx2"])
def library(request):
    return pytest.importorskip(request.param)


async def asked(library, *replies, **client_arguments):
    """Send as many requests as there are replies to give; return the last answer."""
    with serving(*replies) as server:
        async with library.AsyncClient(**client_arguments) as client:
            for _ in replies:
                answer = await exchange(client, library.Request("GET", server.url))
    return answer


async def test_a_redirect_is_an_answer_and_the_clients_auth_is_not_applied(library):
    with serving(Reply(307, b"", {"Location": "/elsewhere"})) as server:
        arguments = {"auth": ("user", "password"), "follow_redirects": True}
        async with library.AsyncClient(**arguments) as client:
            answer = await exchange(client, library.Request("GET", server.url))
    assert answer.status == 307
    assert [each.headers.get("authorization") for each in server.asked] == [None]


async def test_a_hook_may_read_the_answer(library):
    async def hook(response):
        await response.aread()

    hooks = {"response": [hook]}
    assert (await asked(library, Reply(200, b"answer"), event_hooks=hooks)).body == b"answer"
    large = Reply(200, b"a" * (MAX_BODY + 1))
    assert (await asked(library, large, event_hooks=hooks)).body is None


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize(
    ("size", "whole"), [(MAX_BODY, True), (MAX_BODY + 1, False), (5_000_000, False)]
)
async def test_an_answer_is_read_up_to_the_cap_which_counts_it_without_its_coding(
    library, coding, size, whole
):
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}.get(coding, bytes)
    headers = {"Content-Encoding": coding} if coding else {}
    answer = await asked(library, Reply(200, pack(b"a" * size), headers))
    assert answer.body == (b"a" * size if whole else None)


async def test_the_client_serves_on_after_an_answer_over_the_cap(library):
    answer = await asked(library, Reply(200, b"a" * 5_000_000), Reply(200, b"small"))
    assert answer.body == b"small"


@pytest.mark.parametrize(
    ("coding", "body", "words"),
    [
        ("gzip", b"no gzip", "broken"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], "broken"),
        ("br", b"{}", "not asked for"),
    ],
)
async def test_a_coding_that_cannot_be_undone_is_an_error_of_the_network(
    library, coding, body, words
):
    with pytest.raises(UndecodableError, match=words) as caught:
        await asked(library, Reply(200, body, {"Content-Encoding": coding}))
    error = network_error(caught.value, "x.test", None)
    assert error.message == f"DecodingError from x.test: {caught.value}."


@pytest.mark.parametrize(
    ("name", "retryable"),
    [
        ("ReadTimeout", True),
        ("ProxyError", True),
        ("UnsupportedProtocol", False),
        ("LocalProtocolError", False),
    ],
)
def test_the_class_of_the_failure_is_named_and_decides_about_retries(library, name, retryable):
    request = library.Request("GET", "https://x.test")
    error = network_error(getattr(library, name)(CANARY, request=request), "x.test", None)
    assert error.message == f"{name} from x.test."
    assert error.retryable is retryable


def test_an_oserror_is_told_by_its_number_and_not_by_its_text():
    error = network_error(ConnectionResetError(errno.ECONNRESET, CANARY), "x.test", None)
    assert error.message == "ConnectionResetError from x.test: Connection reset by peer."
    assert network_error(ConnectionResetError(CANARY), "x.test", None).message == (
        "ConnectionResetError from x.test."
    )


def test_a_certificate_that_was_refused_is_told_from_the_causes(library):
    cause = ssl.SSLCertVerificationError()
    cause.verify_message = "self-signed certificate"
    error = library.ConnectError(CANARY)
    error.__cause__ = ExceptionGroup("", [cause])
    cause.__context__ = error  # respx makes circles
    told = network_error(error, "x.test", "proxy.test:80")
    assert told.message == (
        "ConnectError from x.test, through the proxy proxy.test:80: self-signed certificate."
    )


def test_the_variable_that_names_the_host_is_told(library):
    error = network_error(library.ConnectError(""), "x.test", None, variable="AWS_ENDPOINT_URL")
    assert error.message == "ConnectError from x.test, which AWS_ENDPOINT_URL names."
    assert "AWS_ENDPOINT_URL" in error.recovery_suggestion


@pytest.mark.parametrize(
    ("cause", "advice"),
    [(NoThreadError(), "ulimit -u"), (OSError(errno.EMFILE, ""), "ulimit -n")],
    ids=["threads", "files"],
)
def test_a_resource_that_the_process_lacks_is_told_with_its_limit(library, cause, advice):
    error = library.ConnectError("")
    error.__cause__ = cause
    assert advice in network_error(error, "x.test", None, variable="X").recovery_suggestion


def test_what_is_no_failure_of_the_network_is_not_told_as_one():
    assert network_error(LookupError(CANARY), "x.test", None) is None


def test_the_first_of_a_groups_exceptions_is_its_leaf():
    error = LookupError()
    assert leaf(ExceptionGroup("", [ExceptionGroup("", [error]), ValueError()])) is error
    assert leaf(error) is error


def test_an_answer_that_a_hook_raised_is_an_answer(library):
    request = library.Request("GET", "https://x.test")

    def raised(response):
        with pytest.raises(library.HTTPStatusError) as caught:
            response.raise_for_status()
        return reply_of_hook(caught.value)

    reply = raised(library.Response(400, content=b"page", request=request))
    assert (reply.status, reply.body, reply.unread) == (400, b"page", False)
    large = b"a" * (MAX_BODY + 1)
    assert raised(library.Response(400, content=large, request=request)).body is None
    unread = raised(library.Response(400, stream=library.ByteStream(b"page"), request=request))
    assert (unread.body, unread.unread) == (b"", True)
    assert reply_of_hook(LookupError()) is None


def test_an_unexpected_error_says_where_it_was_raised_and_has_no_causes():
    def broken():
        try:
            int(CANARY)
        except ValueError as cause:
            raise LookupError from cause

    with pytest.raises(LookupError) as caught:
        broken()
    error = without_causes(caught.value)
    assert error.__cause__ is error.__context__ is None
    assert "broken" in str(error.__notes__)

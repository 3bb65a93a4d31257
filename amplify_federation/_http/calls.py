"""One call to Cognito: its attempts, the delays between them, the retry quota.

It must not know states or stores. Failures are returned, not raised, so that no traceback passes
the frames that had the request in hand.
"""

import logging
import math
import os
import random
from collections.abc import Mapping
from typing import Protocol

import anyio

from amplify_federation._cognito.decoding import Answer, Reply, decode
from amplify_federation._cognito.flow import Flow
from amplify_federation._cognito.requests import Call
from amplify_federation._cognito.retry import RetryQuota, cost_of, delay_before, may_retry
from amplify_federation._http.server_clock import ServerClock
from amplify_federation._model.claims import seems_good
from amplify_federation.errors import (
    AuthError,
    ConfigurationError,
    MalformedResponseError,
    NetworkError,
    NotAuthorizedError,
    NotAuthorizedReason,
    UnknownServiceError,
)

logger = logging.getLogger("amplify_federation")
Outcome = Answer | AuthError
_POOL_ADVICE = (
    "The token is not over by its own `exp`: compare its audience, claims and roles with the "
    "identity pool's settings, then call again."
)
_NO_HEADERS: Mapping[str, str] = {}


class Sender(Protocol):
    """Sends one attempt of a call; no retry, no redirect."""

    @property
    def shared(self) -> object:
        """What other senders share, too: one retry quota belongs to it."""
        ...

    async def send(self, call: Call, sdk_headers: tuple[str, str], bound: float | None) -> Reply:
        """Send a call's request and return the whole answer.

        `sdk_headers` are the values of `amz-sdk-invocation-id` and `amz-sdk-request`; `bound` is
        how many seconds the server may be silent. Raises `NetworkError` without an answer, or
        `ConfigurationError`; neither carries the request or a cause that does.
        """
        ...

    async def aclose(self) -> None:
        """Close what was opened here, and no client of a caller."""
        ...


class Client(Protocol):
    """What the calls over one client have in common; `CognitoClient` is one."""

    clock: ServerClock
    quota: RetryQuota
    max_attempts: int

    async def sender(self) -> Sender:
        """Return what sends the next attempt; raises `ConfigurationError`."""
        ...


async def run(flow: Flow, client: Client) -> Outcome:
    """Drive a flow to its end; return its answer, or the error that it ended with."""
    deadline = anyio.current_effective_deadline()
    try:
        call = next(flow)
        while True:
            outcome = await _call(call, client, deadline)
            if isinstance(outcome, AuthError):
                call = flow.throw(outcome)
                continue
            call = flow.send(outcome)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    except AuthError as error:
        return error.fresh_copy()


async def _call(call: Call, client: Client, deadline: float) -> Outcome:
    """Make one call, with retries as AWS's standard mode has them, until `deadline`."""
    invocation = _uuid4()
    cost: int | None = None
    attempt = 1
    while True:
        sdk_headers = invocation, f"attempt={attempt}; max={client.max_attempts}"
        bound = _bound(deadline, client.max_attempts - attempt)
        outcome, headers = await _attempt(call, client, sdk_headers, bound)
        if isinstance(outcome, Answer):
            client.quota.give_back(cost)
            return outcome
        if attempt >= client.max_attempts or not may_retry(outcome, attempt):
            return outcome
        chance = random.random()  # noqa: S311  # jitter, not a secret
        delay = delay_before(attempt, outcome, chance=chance, headers=headers)
        # Sleeping past the deadline would only hide this error behind a timeout.
        if anyio.current_time() + delay >= deadline:
            return outcome
        cost = cost_of(outcome)
        if not client.quota.take(cost):
            return outcome
        _log_retry(call, outcome, attempt, delay)
        await anyio.sleep(delay)
        attempt += 1


async def _attempt(
    call: Call, client: Client, sdk_headers: tuple[str, str], bound: float | None
) -> tuple[Outcome, Mapping[str, str]]:
    try:
        sender = await client.sender()
        reply = await sender.send(call, sdk_headers, bound)
    except (NetworkError, ConfigurationError) as error:
        return error.fresh_copy(), _NO_HEADERS
    outcome = decode(call, reply)
    if isinstance(outcome, Answer) or (
        outcome.code is not None
        and not isinstance(outcome, MalformedResponseError | UnknownServiceError)
    ):
        client.clock.learn(reply.headers.get("date"))
    if isinstance(outcome, NotAuthorizedError) and outcome.reason is NotAuthorizedReason.UNKNOWN:
        # By the time that this answer tells: a wrong local clock must not log anybody out.
        _judge(outcome, call, client.clock.now())
    return outcome, reply.headers


def _judge(error: NotAuthorizedError, call: Call, now: float) -> None:
    """Note of a refusal for an unknown reason whether the tokens seem good all the same."""
    if call.secrets and all(seems_good(token, now) for token in call.secrets):
        error.token_seems_good = True
        if error.recovery_suggestion == error.recovery:  # nothing better is known
            error.recovery_suggestion = _POOL_ADVICE
            error.__notes__ = [_POOL_ADVICE]


def _bound(deadline: float, attempts_left: int) -> float | None:
    """Return how long the server may be silent, so that the attempts left have their share.

    A kept connection that a NAT has forgotten would eat the whole deadline otherwise. The last
    attempt may take what is left.
    """
    if not attempts_left:
        return None
    if deadline == math.inf:
        return None
    return max(deadline - anyio.current_time(), 0.0) / (attempts_left + 1)


def _uuid4() -> str:
    # The module `uuid` takes 3 ms to load, and five times as long for an id.
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _log_retry(call: Call, error: AuthError, attempt: int, delay: float) -> None:
    logger.info(
        "%s failed with %s; attempt %d follows in %.3f s.",
        call.operation,
        type(error).__name__,
        attempt + 1,
        delay,
        extra={
            "event": "retry",
            "operation": call.operation,
            "error": type(error).__name__,
            "attempt": attempt + 1,
            "delay": delay,
        },
    )

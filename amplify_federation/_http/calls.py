"""The calls of a flow, one after the other: their attempts, the delays between them, the quota."""

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
    NotAuthorizedError,
    NotAuthorizedReason,
    ServiceError,
    UnknownServiceError,
)

logger = logging.getLogger("amplify_federation")
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
        `ConfigurationError`; httpx's error, which carries the request, may be their context.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections opened here; a caller's client stays open."""
        ...


class Calls:
    """Makes calls over one sender, with retries as AWS's standard mode has them."""

    def __init__(
        self, sender: Sender, clock: ServerClock, quota: RetryQuota, max_attempts: int
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._quota = quota
        self._max_attempts = max_attempts
        self._deadline = anyio.current_effective_deadline()

    async def run(self, flow: Flow) -> Answer:
        """Drive a flow to its end; return its answer, or raise the error that it ended with."""
        try:
            call = next(flow)
            while True:
                try:
                    answer = await self._make(call)
                except AuthError as error:
                    call = flow.throw(error)
                else:
                    call = flow.send(answer)
        except StopIteration as done:
            result: Answer = done.value
            return result

    async def _make(self, call: Call) -> Answer:
        """Make one call, with retries until the deadline; raise the error of the last attempt."""
        invocation = _uuid4()
        cost: int | None = None
        attempt = 1
        while True:
            sdk_headers = invocation, f"attempt={attempt}; max={self._max_attempts}"
            reply: Reply | None = None
            try:
                reply = await self._sender.send(call, sdk_headers, self._bound(attempt))
                answer = self._decoded(call, reply)
            except AuthError as error:
                delay = self._delay_after(error, attempt, reply)
                if delay is None:
                    raise
                cost = cost_of(error)
                _log_retry(call, error, attempt, delay)
            else:
                self._quota.give_back(cost)
                return answer
            await anyio.sleep(delay)
            attempt += 1

    def _decoded(self, call: Call, reply: Reply) -> Answer:
        """Decode an answer, and learn the server's time from it if it is surely Cognito's."""
        try:
            answer = decode(call, reply)
        except ServiceError as error:
            if error.code is not None and not isinstance(error, UnknownServiceError):
                self._clock.learn(reply.headers.get("date"))
            if isinstance(error, NotAuthorizedError):
                # After the time was learned: a wrong local clock must not sign anybody out.
                _judge(error, call, self._clock.now())
            raise
        self._clock.learn(reply.headers.get("date"))
        return answer

    def _delay_after(self, error: AuthError, attempt: int, reply: Reply | None) -> float | None:
        """Return the seconds before the next attempt, paid for; `None` if there is to be none."""
        if attempt >= self._max_attempts or not may_retry(error, attempt):
            return None
        chance = random.random()  # noqa: S311  # jitter, not a secret
        headers = _NO_HEADERS if reply is None else reply.headers
        delay = delay_before(attempt, error, chance=chance, headers=headers)
        # Sleeping past the deadline would only hide this error behind a timeout.
        if anyio.current_time() + delay >= self._deadline:
            return None
        return delay if self._quota.take(cost_of(error)) else None

    def _bound(self, attempt: int) -> float | None:
        """Return how long the server may be silent, so that the attempts left have their share.

        An idle connection that a NAT has forgotten would use up the whole deadline otherwise. The
        last attempt may take what is left.
        """
        attempts_left = self._max_attempts - attempt
        if not attempts_left or self._deadline == math.inf:
            return None
        return max(self._deadline - anyio.current_time(), 0.0) / (attempts_left + 1)


def _judge(error: NotAuthorizedError, call: Call, now: float) -> None:
    """Take a refusal of good tokens for an unknown reason for a fault of the pool."""
    if error.reason is not NotAuthorizedReason.UNKNOWN:
        return
    if call.secrets and all(seems_good(token, now) for token in call.secrets):
        error.pools_fault = True
        if error.recovery_suggestion == error.recovery:  # nothing better is known
            error.recovery_suggestion = _POOL_ADVICE
            error.__notes__ = [_POOL_ADVICE]


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

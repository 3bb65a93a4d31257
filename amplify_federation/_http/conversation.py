"""A conversation with Cognito: attempts, delays and the retry quota are here.

It must not know states or stores. Failures are returned, not raised, so that no traceback passes
the frames that had the request in hand.
"""

import logging
import os
import random
from collections.abc import Mapping
from typing import NamedTuple

import anyio

from amplify_federation._cognito.answers import Answer
from amplify_federation._cognito.backoff import cost_of, delay_before, may_retry
from amplify_federation._cognito.decoding import decode
from amplify_federation._cognito.exchange import HttpAnswer
from amplify_federation._cognito.flow import Flow
from amplify_federation._cognito.requests import TARGET_PREFIX, Call
from amplify_federation._http.line import Line
from amplify_federation._http.server_clock import ServerClock
from amplify_federation._version import VERSION
from amplify_federation.errors import (
    AuthError,
    MalformedResponseError,
    NetworkError,
    UnknownServiceError,
)

logger = logging.getLogger("amplify_federation")
_CONSTANT_HEADERS = {
    "Content-Type": "application/x-amz-json-1.1",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-store",
    "User-Agent": f"amplify_federation/{VERSION}",
}
Outcome = Answer | AuthError
_NO_HEADERS: Mapping[str, str] = {}


class Conversation(NamedTuple):
    """One conversation over a line; it tells the clock what Cognito's answers say of the time."""

    line: Line
    clock: ServerClock
    max_attempts: int

    async def hold(self, flow: Flow) -> Outcome:
        """Drive a flow to its end; return its answer, or the error that it ended with."""
        try:
            call = next(flow)
            while True:
                outcome = await self.call(call)
                if isinstance(outcome, AuthError):
                    call = flow.throw(outcome)
                    continue
                call = flow.send(outcome)
        except StopIteration as done:
            answer: Answer = done.value
            return answer
        except AuthError as error:
            return error.fresh_copy()

    async def call(self, call: Call) -> Outcome:
        """Make one call, with retries as AWS's standard mode has them."""
        invocation = _uuid4()
        cost: int | None = None
        attempt = 1
        while True:
            outcome, headers = await self._attempt(call, invocation, attempt)
            if isinstance(outcome, Answer):
                self.line.quota.give_back(cost)
                return outcome
            if attempt >= self.max_attempts or not may_retry(outcome, attempt):
                return outcome
            chance = random.random()  # noqa: S311  # jitter, not a secret
            delay = delay_before(attempt, outcome, chance=chance, headers=headers)
            # Sleeping past the deadline would only hide this error behind a timeout.
            if anyio.current_time() + delay >= anyio.current_effective_deadline():
                return outcome
            cost = cost_of(outcome)
            if not self.line.quota.take(cost):
                return outcome
            _log_retry(call, outcome, attempt, delay)
            await anyio.sleep(delay)
            attempt += 1

    async def _attempt(
        self, call: Call, invocation: str, attempt: int
    ) -> tuple[Outcome, Mapping[str, str]]:
        headers = {
            **_CONSTANT_HEADERS,
            "X-Amz-Target": TARGET_PREFIX + call.operation,
            "amz-sdk-invocation-id": invocation,
            "amz-sdk-request": f"attempt={attempt}; max={self.max_attempts}",
        }
        try:
            exchange = await self.line.exchange()
            http = await exchange.post(headers, call.body)
        except NetworkError as error:
            return error.fresh_copy(), _NO_HEADERS
        return self._understood(call, http), http.headers

    def _understood(self, call: Call, http: HttpAnswer) -> Outcome:
        outcome = decode(call, http)
        if isinstance(outcome, Answer) or (
            outcome.code is not None
            and not isinstance(outcome, MalformedResponseError | UnknownServiceError)
        ):
            self.clock.learn(http.headers.get("date"))
        return outcome


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

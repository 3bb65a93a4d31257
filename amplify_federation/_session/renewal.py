"""Renewal: stale credentials in, fresh ones out, once for all waiting callers.

This file owns when a fetch calls Cognito, which of many callers does, what an early renewal may
cost its caller, and what is shown meanwhile. `renewal_methods` has the calls to Cognito and the
meaning of each refusal.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from attrs import frozen

from amplify_federation._async.single_flight import SingleFlight
from amplify_federation._model.state import Federated, SignedOut
from amplify_federation._session.context import Context
from amplify_federation._session.record import SessionRecord
from amplify_federation._session.refresh_policy import (
    RenewalNeed,
    grant_of,
    is_usable,
    may_help,
    renewal_need,
)
from amplify_federation._session.renewal_methods import FederatedRenewal, GuestRenewal
from amplify_federation._session.token_refresh import TokenRefresher
from amplify_federation.errors import (
    AuthError,
    CallTimeoutError,
    InvalidStateError,
    StoreLockedError,
)

logger = logging.getLogger("amplify_federation")


@frozen
class Renewed:
    """The credentials were renewed."""


@frozen
class NotNeeded:
    """The session is not the one that was to be renewed: it was renewed, cleared or replaced."""


@frozen
class GaveWay:
    """Another process renews the session, and this early try did not wait for it."""


@frozen
class Failed:
    """The renewal failed. `hurried`: an early try, or its caller had less time than a call has."""

    error: AuthError
    hurried: bool = False


Outcome = Renewed | NotNeeded | GaveWay | Failed


def word_of(outcome: Outcome) -> str:
    """Return an outcome in one word; a failure is named by its error's class."""
    match outcome:
        case Renewed():
            return "renewed"
        case NotNeeded():
            return "not_needed"
        case GaveWay():
            return "gave_way"
        case Failed(error):
            return type(error).__name__


def log_renewal(outcome: Outcome, session: str, *, early: bool, seconds: float) -> None:
    """Log one renewal: the class of what went wrong, never its message."""
    word = word_of(outcome)
    logger.log(
        logging.WARNING if isinstance(outcome, Failed) else logging.INFO,
        "Renewal of a session: %s, after %.3f s.",
        word,
        seconds,
        extra={
            "event": "renewal",
            "session": session,
            "outcome": word,
            "early": early,
            "seconds": seconds,
        },
    )


_NEVER = float("-inf")  # one for all sessions
PATIENCE = 2.0  # seconds that an early renewal may cost its caller
PAUSE = 30.0  # seconds after an early try until the next


class EarlyRenewal:
    """The early tries of one session."""

    __slots__ = ("_again", "_context")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._again = _NEVER  # monotonic

    async def attempt(self, work: Callable[[], Awaitable[object]]) -> None:
        """Work, unless it was tried within the last 30 s.

        Inside `async with`, work that takes longer than 2 s goes on in the background; elsewhere it
        is cancelled.
        """
        clock, background = self._context.clock, self._context.background
        if clock.monotonic() < self._again:
            return
        self._again = clock.monotonic() + PAUSE
        with anyio.move_on_after(PATIENCE):
            if background is None:
                await work()
            else:
                await background.start(work).wait()


UNASKED_PAUSE = 30.0  # seconds between calls that a listener's look causes
_HURRY = 0.01  # seconds: below this two deadlines are one
_LEADER_SHARE = 0.95  # of the time left: the others learn of the timeout, and do not lead anew
_LEASE_SHARE = 0.9  # of the time left: so that a lock is named as the cause, not the deadline


class Renewal:
    """The renewals of one session."""

    __slots__ = ("_ask_from", "_beside", "_context", "_early", "_flight", "_guest", "_user")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._user = FederatedRenewal(context)
        self._guest = GuestRenewal(context) if context.pool.guest_access else None
        self._flight: SingleFlight[Outcome] = SingleFlight()
        self._beside: tuple[SessionRecord, AuthError] | None = None
        self._early = EarlyRenewal(context)
        self._ask_from = float("-inf")  # monotonic

    @property
    def token_refresher(self) -> TokenRefresher:
        """The way to the application's token source."""
        return self._user.token_refresher

    async def settle(self, *, force: bool) -> AuthError | None:
        """Renew if need be; return the error that a fetch shows beside or instead of the values."""
        deadline = anyio.current_time() + self._context.settings.timeout
        while (kind := self._kind()) is not None:
            need = RenewalNeed.MANDATORY if force else renewal_need(self._context)
            if need is not RenewalNeed.NONE and not kind.can_help():
                return await self._helpless(kind)
            if need is not RenewalNeed.MANDATORY:
                if need is RenewalNeed.ADVISORY and not self._flight.is_running:
                    work = partial(self._renew, kind, patient=False, hurried=True)
                    await self._early.attempt(partial(self._flight.join, work))
                return self.error_beside()
            outcome = await self._now(kind, deadline)
            if isinstance(outcome, Failed):
                return outcome.error
            if is_usable(self._context) or isinstance(outcome, Renewed):
                return None
        return None

    def error_beside(self) -> AuthError | None:
        """Return why this very record was not renewed, if that was tried."""
        if self._beside is not None and self._beside[0] is self._context.repository.record:
            return self._beside[1]
        return None

    async def lapse_if_over(self) -> None:
        """Let the session expire without a fetch, once nothing can renew it."""
        lapsing = self._kind() is self._user and isinstance(
            self._context.repository.state, Federated
        )
        if not lapsing or is_usable(self._context):
            return
        if not self._user.can_help():
            await self._helpless(self._user)
        elif not self._context.clock.is_known and self._context.clock.monotonic() >= self._ask_from:
            # In a process that restarted from the store the service's time is in doubt, and with it
            # the token's end: Cognito's answer tells both.
            self._ask_from = self._context.clock.monotonic() + UNASKED_PAUSE
            await self.settle(force=False)

    def _kind(self) -> FederatedRenewal | GuestRenewal | None:
        if not may_help(self._context):
            return None
        return self._guest if isinstance(self._context.repository.state, SignedOut) else self._user

    async def _helpless(self, kind: FederatedRenewal | GuestRenewal) -> AuthError | None:
        """Use the present credentials to their end, then expire: nothing can renew them."""
        if is_usable(self._context):
            return self.error_beside()

        async def give_up() -> Outcome:
            await kind.give_up()
            return NotNeeded()

        outcome = await self._flight.join(partial(self._work, give_up))
        return outcome.error if isinstance(outcome, Failed) else None

    async def _now(self, kind: FederatedRenewal | GuestRenewal, deadline: float) -> Outcome:
        # An early try, or a leader with a short deadline, fails early; others do not take that.
        hurried = anyio.current_effective_deadline() < deadline - _HURRY
        work = partial(self._renew, kind, patient=True, hurried=hurried)
        while True:
            match await self._flight.join(work):
                case GaveWay():
                    continue  # an early try, which did not wait for another process
                case Failed(hurried=True) if not hurried:
                    continue
                case outcome:
                    return outcome

    async def _renew(
        self, kind: FederatedRenewal | GuestRenewal, *, patient: bool, hurried: bool
    ) -> Outcome:
        began = anyio.current_time()
        outcome = await self._under_lease(kind, patient=patient, hurried=hurried)
        seconds = anyio.current_time() - began
        log_renewal(outcome, self._context.repository.name, early=not patient, seconds=seconds)
        return outcome

    async def _under_lease(
        self, kind: FederatedRenewal | GuestRenewal, *, patient: bool, hurried: bool
    ) -> Outcome:
        """Under the lease of all processes: renew, unless another process just did."""
        repository = self._context.repository
        found = repository.record
        left = anyio.current_effective_deadline() - anyio.current_time()
        left = max(0.0, min(left, self._context.settings.timeout))
        wait = _LEASE_SHARE * left if patient else 0.0

        async def leased() -> Outcome:
            async with self._context.store.lock(repository.name, timeout=wait):
                await repository.refresh(now=True)
                if repository.replaced or repository.record != found:
                    return NotNeeded()
                await kind.renew()
                return Renewed()

        message = "The credentials were not renewed before the deadline."
        outcome: Outcome = Failed(CallTimeoutError(message))
        # A little before the caller's own deadline, so that the timeout is the outcome for all
        # waiting callers: else each would lead a call of its own against a server that hangs.
        with anyio.move_on_after(_LEADER_SHARE * left):
            outcome = await self._work(leased)
        if not isinstance(outcome, Failed):
            return outcome
        error = outcome.error
        if isinstance(error, CallTimeoutError) and (
            grant_of(repository.record.state) != grant_of(found.state)
        ):
            return Renewed()  # in the last moment
        if isinstance(error, StoreLockedError):
            if not patient:
                return GaveWay()
        elif repository.record.federation_id != found.federation_id:
            return NotNeeded()  # the failure concerns a session that is gone
        self._beside = (repository.record, error)
        return Failed(error, hurried)

    async def _work(self, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
        try:
            return await work()
        except InvalidStateError:
            # A clear or a federation came in between.
            return NotNeeded()
        except AuthError as error:
            return Failed(error.fresh_copy())

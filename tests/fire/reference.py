"""A small reference model of sessions: what a reader of the specification would expect.

Written without a look at the engine's code: one record in a store, and handles that each know the
service's time as well as they could learn it.
"""

from attrs import define, evolve, field, frozen

LIFETIME, MARGIN, WINDOW = 3600.0, 10.0, 300.0
GRACE = 300.0
EARLY_PAUSE = 30.0
CLOCK_LEAD = 300.0
JUMP = 60.0


@frozen
class Credentials:
    """Credentials as the service issued them at a time on its clock."""

    issued: float

    @property
    def over(self) -> float:
        return self.issued + LIFETIME - MARGIN

    @property
    def due(self) -> float:
        return self.over - WINDOW


@frozen
class Record:
    """What the store has. `kind`: out, federated, expired. `token`: its end, or None."""

    kind: str = "out"
    who: str | None = None
    token: float | None = None
    credentials: Credentials | None = None
    federation_id: int = 0


@define
class Time:
    """The service's clock, the machine's wall clock, and its monotonic one."""

    service: float
    wall: float
    monotonic: float


@define
class Handle:
    """What one handle knows."""

    record: Record = field(factory=Record)
    loaded: bool = False
    replaced: bool = False
    offset: float = 0.0
    told: float | None = None
    early_again: float = float("-inf")
    ahead: float = 0.0

    def now(self, time: Time) -> float:
        return time.wall + self.offset

    def learn(self, time: Time) -> None:
        self.offset = time.service - time.wall
        self.told = time.monotonic - time.service

    def knows_time(self, time: Time) -> bool:
        """Tell whether the service told the time, and no clock jumped or stood still since."""
        return self.told is not None and abs(time.monotonic - self.now(time) - self.told) < JUMP

    def adopt(self, record: Record, time: Time) -> None:
        self.record = record
        self.replaced = False
        self.ahead = time.monotonic - self.now(time)

    def look(self, record: Record, time: Time) -> None:
        if self.loaded and record == self.record:
            self.replaced = False
            return
        mine = self.record
        strange = (
            self.loaded
            and "out" not in {mine.kind, record.kind}
            and mine.who != record.who
            and mine.federation_id != record.federation_id
        )
        self.loaded = True
        if strange:
            self.replaced = True
        else:
            self.adopt(record, time)

    def is_over(self, time: Time) -> bool:
        held = self.record.credentials
        now = self.now(time)
        return (
            held is None
            or now >= held.over
            or time.monotonic >= held.over + self.ahead
            or held.issued > now + CLOCK_LEAD
        )

    def is_due(self, time: Time) -> bool:
        held = self.record.credentials
        return held is not None and (
            self.now(time) >= held.due or time.monotonic >= held.due + self.ahead
        )

    def token_may_help(self, time: Time) -> bool:
        end = self.record.token
        return end is not None and (not self.knows_time(time) or self.now(time) <= end + GRACE)


@define
class Model:
    """The store and the rules."""

    time: Time
    store: Record = field(factory=Record)
    lineages: int = 0

    def federate(self, handle: Handle, who: str, token: float, *, good: bool, network: str) -> str:
        handle.look(self.store, self.time)
        if network == "outage":
            return "NetworkError"
        handle.learn(self.time)
        if network == "throttled":
            return "TooManyRequestsError"
        if not good or self.time.service >= token + GRACE:
            return "NotAuthorizedError"
        self.lineages += 1
        credentials = Credentials(self.time.service)
        self.save(handle, Record("federated", who, token, credentials, self.lineages))
        return "ok"

    def clear(self, handle: Handle) -> None:
        handle.look(self.store, self.time)
        if handle.record.kind != "out":
            self.lineages += 1
            self.save(handle, Record(federation_id=self.lineages))

    def fetch(self, handle: Handle, *, force: bool, network: str) -> str:
        """Return what the fields hold: values, or the name of the error."""
        handle.look(self.store, self.time)
        if handle.replaced:
            return "InvalidStateError"
        if handle.record.kind == "federated":
            return self._renewed(handle, force=force, network=network)
        return {"out": "SignedOutError", "expired": "SessionExpiredError"}[handle.record.kind]

    def _renewed(self, handle: Handle, *, force: bool, network: str) -> str:
        time, now = self.time, force or handle.is_over(self.time)
        if not now and not handle.is_due(time):
            return "values"
        if not handle.token_may_help(time):
            return self._values_or_expired(handle)
        if not now:
            if time.monotonic < handle.early_again:
                return "values"
            handle.early_again = time.monotonic + EARLY_PAUSE
        error = self._ask(handle, network)
        if handle.record.kind == "expired":
            return "SessionExpiredError"
        return error if error != "ok" and handle.is_over(time) else "values"

    def _ask(self, handle: Handle, network: str) -> str:
        if network == "outage":
            return "NetworkError"
        handle.learn(self.time)
        if network == "throttled":
            return "TooManyRequestsError"
        record = handle.record
        if self.time.service < record.token + GRACE:
            self.save(handle, evolve(record, credentials=Credentials(self.time.service)))
            return "ok"
        if not handle.is_over(self.time):
            self.save(handle, evolve(record, token=None))
        else:
            self._values_or_expired(handle)
        return "NotAuthorizedError"

    def _values_or_expired(self, handle: Handle) -> str:
        if not handle.is_over(self.time):
            return "values"
        self.save(handle, evolve(handle.record, kind="expired", token=None, credentials=None))
        return "SessionExpiredError"

    def save(self, handle: Handle, record: Record) -> None:
        self.store = record
        handle.adopt(record, self.time)

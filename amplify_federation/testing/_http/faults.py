"""Injected faults, and the quotas of calls."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from math import inf

from attrs import define, evolve, frozen

from amplify_federation.testing._openid.provider import ENDPOINTS
from amplify_federation.testing._service.model import OPERATIONS
from amplify_federation.testing.clock import ServerClock

# Calls per second, account and region: the default quotas of AWS.
AWS_QUOTAS: Mapping[str, float] = {"GetId": 25.0, "GetCredentialsForIdentity": 200.0}


@frozen
class Fault:
    """An injected fault; without `code` the operation is carried out."""

    code: str | None
    operation: str | None = None
    times: int = 1
    status: int | None = None
    retry_after_ms: object = None
    delay: float = 0.0
    cut_connection: bool = False
    message: str | None = None


class Faults:
    """The faults that have not happened yet, first in, first out."""

    def __init__(self) -> None:
        self._queue: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Queue a fault. Raises `ValueError` if it would never happen: no times, no operation."""
        if fault.times < 1:
            message = f"A fault must happen at least once, not {fault.times} times."
            raise ValueError(message)
        if fault.operation is not None:
            _expect_known([fault.operation], OPERATIONS.keys() | ENDPOINTS)
        self._queue.append(fault)

    def clear(self) -> None:
        """Forget the faults that have not happened yet."""
        self._queue.clear()

    def take(self, operation: str, *, by_name: bool = False) -> Fault | None:
        """Return the fault of this call, if there is one, and count it.

        `by_name`: only a fault that names the operation, as those of a provider's endpoints do.
        """
        for index, fault in enumerate(self._queue):
            if fault.operation == operation or (fault.operation is None and not by_name):
                if fault.times == 1:
                    del self._queue[index]
                else:
                    self._queue[index] = evolve(fault, times=fault.times - 1)
                return fault
        return None


@define
class _Bucket:
    rate: float
    filled: float
    at: float


class Quotas:
    """A token bucket for each operation; a full one holds a second's calls, and one at least."""

    def __init__(self, rates: Mapping[str, float], clock: ServerClock) -> None:
        self._clock = clock
        self.set(rates)

    def set(self, rates: Mapping[str, float]) -> None:
        """Replace all quotas; every bucket is full again.

        Raises `ValueError` for an operation that does not exist, or a rate that is no number or
        negative.
        """
        _expect_known(rates, OPERATIONS.keys())
        for name, rate in rates.items():
            if not 0 <= rate < inf:
                message = f"The quota of {name} must be a number of calls per second, not {rate}."
                raise ValueError(message)
        now = self._clock.time()
        self._buckets = {name: _Bucket(rate, _full(rate), now) for name, rate in rates.items()}

    def allow(self, operation: str) -> bool:
        """Return whether a call is within the quota, and count it if so."""
        bucket = self._buckets.get(operation)
        if bucket is None:
            return True
        now = self._clock.time()
        passed = max(0.0, now - bucket.at)
        bucket.filled = min(_full(bucket.rate), bucket.filled + passed * bucket.rate)
        bucket.at = now
        if bucket.filled < 1.0:
            return False
        bucket.filled -= 1.0
        return True


def _full(rate: float) -> float:
    # A quota of one call in two seconds must let that one pass; a quota of 0, none.
    return max(rate, 1.0) if rate else 0.0


def _expect_known(names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            message = f"There is no operation {name!r}.{hint}"
            raise ValueError(message)

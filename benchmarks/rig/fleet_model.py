"""A fleet of web backends in virtual time: users, machines, one Redis, Cognito's quotas.

The model of `FederatedUsers` over a `RedisStore`, in steps of one second, with one array element
for each user. It draws requests and counts calls; nothing is sent. Its assumptions:

- A user is active (asks every `think` seconds on average, Poisson) or away. As many come as go.
- A client brings a token that lives `TOKEN_LIFE`. A new one, after that or at the next visit, costs
  `GetId` and `GetCredentialsForIdentity` at its first request.
- Credentials live `CREDENTIALS_LIFE`. In the `WINDOW` before their end the first request renews
  them and is served all the same; after it a request waits for the renewal.
- Any machine takes any request. Sessions are in Redis for all machines, and in the memory of those
  that served the user since the last call. Without Redis only these serve, and no call begins.
- There is one call at a time for a user in the whole fleet (the lease), and requests that wait for
  it count once. A throttled or failed call is tried at most `ATTEMPTS` times, after
  `random() * scale * 2 ** (attempt - 1)` seconds; each machine pays for retries from a quota that
  successes refill. Then the request is a 503, and the client asks again at its next turn.
- Cognito grants `get_id` and `get_credentials` calls a second and throttles the others.

`tests/benchmarks/test_fleet_model.py` runs the same requests through the real engine and compares.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from attrs import define, field, frozen

TOKEN_LIFE = 3_600.0  # seconds, Google's
CREDENTIALS_LIFE = 3_600.0  # seconds, Cognito's enhanced flow
MARGIN = 10.0  # seconds, `AuthSettings.expiry_margin`
WINDOW = 300.0  # seconds, `AuthSettings.refresh_window`
PAUSE = 30.0  # seconds without an early try after one that failed
THROTTLING_SCALE, FAULT_SCALE = 1.0, 0.05  # seconds
ATTEMPTS = 3
RETRY_QUOTA, THROTTLING_COST, FAULT_COST = 500, 5, 14
NEVER = -1e9

Array = np.ndarray[Any, Any]


@frozen
class Fleet:
    """What is simulated. Durations are seconds, rates are for a second."""

    users: int
    active: int
    machines: int
    think: float = 30.0
    visit: float = 7_200.0
    get_id: float = 25.0
    get_credentials: float = 200.0


@define
class Second:
    """What happened in one second."""

    requests: int = 0
    refused: int = 0
    calls: Counter[str] = field(factory=Counter)


@define
class _Calls:
    """Calls under way that wait for their next attempt: one for each user."""

    user: Array
    attempt: Array
    due: Array
    fresh: Array  # a new token: `GetId` comes first


class Simulation:
    """A fleet that lives second by second."""

    def __init__(self, fleet: Fleet, seed: int = 1) -> None:
        self.fleet = fleet
        self.now = 0.0
        self.redis = self.cognito = True
        self._random = np.random.default_rng(seed)
        users = fleet.users
        self._token_over = np.full(users, NEVER, dtype=np.float32)
        self._over = np.full(users, NEVER, dtype=np.float32)
        self._visits = np.zeros(users, dtype=np.int32)  # requests since the credentials were made
        self._calm_until = np.full(users, NEVER, dtype=np.float32)
        self._calling = np.zeros(users, dtype=bool)
        self._active = self._random.permutation(users)[: fleet.active]
        self._quota = np.full(fleet.machines, float(RETRY_QUOTA))
        self._waiting = _Calls(*(np.empty(0, dtype=kind) for kind in (np.int64, int, float, bool)))

    def warm_up(self) -> None:
        """Begin in the middle: each active user signed in within the last hour."""
        ages = self._random.uniform(0.0, CREDENTIALS_LIFE - MARGIN, len(self._active))
        self._token_over[self._active] = TOKEN_LIFE - ages
        self._over[self._active] = CREDENTIALS_LIFE - ages
        self._visits[self._active] = 1 + (ages / self.fleet.think).astype(np.int32)

    def step(self, requests: Array | None = None) -> Second:
        """Live one second; `requests` are the users who ask, drawn if not given."""
        second = Second()
        asking = self._draw() if requests is None else requests
        second.requests = len(asking)
        known = (self.now < self._token_over[asking]) & (self.now < self._over[asking] - MARGIN)
        # Without Redis a session is known to the machines that served the user before.
        if not self.redis:
            missed = (1 - 1 / self.fleet.machines) ** self._visits[asking]
            known &= self._random.random(len(asking)) >= missed
        self._visits[asking[known]] += 1
        early = known & (self.now >= self._over[asking] - MARGIN - WINDOW)
        early &= self.now >= self._calm_until[asking]
        second.refused += self._begin(asking[~known], asking[known & early], second)
        second.refused += self._attempt(second)
        self.now += 1.0
        return second

    def _draw(self) -> Array:
        fleet, random = self.fleet, self._random
        leaving = random.poisson(fleet.active / fleet.visit)
        if fleet.active < fleet.users and leaving:
            places = random.integers(0, fleet.active, leaving)
            self._active[places] = random.integers(0, fleet.users, leaving)
        count = random.poisson(fleet.active / fleet.think)
        return self._active[random.integers(0, fleet.active, count)]

    def _begin(self, waiting: Array, early: Array, second: Second) -> int:
        """Begin the calls of this second; return how many requests are refused at once."""
        if not self.redis:  # no lease, no call: those whose credentials serve are served
            return len(waiting)
        callers = np.unique(np.concatenate([waiting, early]))
        callers = callers[~self._calling[callers]]
        self._calling[callers] = True
        fresh = self.now >= self._token_over[callers]
        calls = self._waiting
        zeros = np.zeros(len(callers))
        calls.user = np.concatenate([calls.user, callers])
        calls.attempt = np.concatenate([calls.attempt, zeros.astype(int)])
        calls.due = np.concatenate([calls.due, zeros + self.now])
        calls.fresh = np.concatenate([calls.fresh, fresh])
        second.calls["begun"] += len(callers)
        return 0

    def _attempt(self, second: Second) -> int:
        """Try the calls that are due, in an order of chance; return how many gave up."""
        calls, fleet = self._waiting, self.fleet
        due = self._random.permutation(np.flatnonzero(calls.due <= self.now))
        fresh = calls.fresh[due]
        second.calls["GetId"] += int(fresh.sum())
        granted = np.zeros(len(due), dtype=bool)
        if self.cognito:
            passed = ~fresh | (np.cumsum(fresh) <= fleet.get_id)
            second.calls["GetCredentialsForIdentity"] += int(passed.sum())
            granted = passed & (np.cumsum(passed) <= fleet.get_credentials)
        self._succeed(due[granted])
        failed = due[~granted]
        machines = self._random.integers(0, fleet.machines, len(failed))
        cost = THROTTLING_COST if self.cognito else FAULT_COST
        calls.attempt[failed] += 1
        gives_up = (calls.attempt[failed] >= ATTEMPTS) | (self._quota[machines] < cost)
        np.subtract.at(self._quota, machines[~gives_up], cost)
        np.clip(self._quota, 0, RETRY_QUOTA, out=self._quota)
        scale = (THROTTLING_SCALE if self.cognito else FAULT_SCALE) * 2.0 ** (
            calls.attempt[failed] - 1
        )
        calls.due[failed] = self.now + self._random.random(len(failed)) * scale
        return self._leave(np.concatenate([due[granted], failed[gives_up]]), failed[gives_up])

    def _succeed(self, places: Array) -> None:
        user = self._waiting.user[places]
        fresh = self._waiting.fresh[places]
        self._token_over[user[fresh]] = self.now + TOKEN_LIFE
        self._over[user] = self.now + CREDENTIALS_LIFE
        self._visits[user] = 1
        machines = self._random.integers(0, self.fleet.machines, len(user))
        refund = np.where(self._waiting.attempt[places] > 0, THROTTLING_COST, 1)
        np.add.at(self._quota, machines, refund)
        np.clip(self._quota, 0, RETRY_QUOTA, out=self._quota)

    def _leave(self, places: Array, gave_up: Array) -> int:
        calls = self._waiting
        users = calls.user[gave_up]
        served = self.now < np.minimum(self._over[users] - MARGIN, self._token_over[users])
        self._calm_until[users] = self.now + PAUSE
        self._calling[calls.user[places]] = False
        stay = np.ones(len(calls.user), dtype=bool)
        stay[places] = False
        self._waiting = _Calls(
            calls.user[stay], calls.attempt[stay], calls.due[stay], calls.fresh[stay]
        )
        return int((~served).sum())

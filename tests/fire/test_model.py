"""Sessions against a small reference model, through any sequence of calls, clocks and outages."""

import os

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from amplify_federation import (
    AuthError,
    AuthProvider,
    AuthSettings,
    Expired,
    Federated,
    FederatedAuth,
    MemoryStore,
    SignedOut,
)
from amplify_federation.testing import FakeCognito, ManualClock
from tests.fire.reference import GRACE, Handle, Model, Time
from tests.session.kit import GatedTransport

LONG = bool(os.environ.get("AMPLIFY_FEDERATION_LONG_TESTS"))
EXAMPLES, STEPS = (2000, 60) if LONG else (50, 30)
START = 1_800_000_000.0
PROVIDERS = {"google": AuthProvider.GOOGLE, "apple": AuthProvider.APPLE}
KINDS = {SignedOut: "out", Federated: "federated", Expired: "expired"}

# Seconds around the moments at which something changes, of the session that is stored.
MOMENTS = {
    "due": lambda record: record.credentials.due,
    "over": lambda record: record.credentials.over,
    "token": lambda record: record.token or record.credentials.over,
    "token and grace": lambda record: (record.token or record.credentials.over) + GRACE,
}

handles = st.sampled_from([0, 1])
networks = st.sampled_from(["fine"] * 8 + ["throttled", "outage"])


class Sessions(RuleBasedStateMachine):
    """Two handles on one store, either of which may be started anew."""

    backend = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self._portal_manager = start_blocking_portal(self.backend)
        self._portal = self._portal_manager.__enter__()
        self._patches = pytest.MonkeyPatch()
        self._patches.setattr("random.random", lambda: 0.0)  # no waiting between attempts
        self.service = ManualClock(time=START)
        self.local = ManualClock(time=START)
        self.fake = FakeCognito(clock=self.service)
        self.pool = self.fake.create_identity_pool()
        self.transport = GatedTransport(self.fake)
        self.store = MemoryStore()
        self.auths: list[FederatedAuth] = []
        self.knowledge = [Handle(), Handle()]
        self.model = Model(Time(START, START, self.local.monotonic()))
        self.identities: dict[str, str] = {}

    @initialize(lifetime=st.sampled_from([601, 3607, 20_003]))
    def start(self, lifetime: float) -> None:
        for index in (0, 1):
            self.auths.append(self._opened(index))
        self._federate(0, "alice", "google", lifetime)

    def teardown(self) -> None:
        self._patches.undo()
        for auth in self.auths:
            self._portal.call(auth.aclose)
        self._portal_manager.__exit__(None, None, None)

    def _opened(self, index: int) -> FederatedAuth:
        client = httpx.AsyncClient(transport=self.transport)
        auth = FederatedAuth(
            self.pool,
            store=self.store,
            http_client=client,
            settings=AuthSettings(clock=self.local),
        )
        self._portal.call(auth.__aenter__)
        self.knowledge[index] = Handle()
        self.knowledge[index].look(self.model.store, self.model.time)
        return auth

    # What happens around

    def _pass(self, seconds: float, *, monotonic: bool = True) -> None:
        self.service.suspend(seconds)
        (self.local.advance if monotonic else self.local.suspend)(seconds)
        self.model.time = Time(self.service.time(), self.local.time(), self.local.monotonic())

    @rule(seconds=st.sampled_from([20, 29, 1801, 90_001]))
    def time_passes(self, seconds: float) -> None:
        self._pass(seconds)

    def _wait_for(self, moment: str, seconds: float, *, monotonic: bool = True) -> None:
        if self.model.store.kind == "federated":
            at = MOMENTS[moment](self.model.store) + seconds
            self._pass(max(0.0, at - self.service.time()), monotonic=monotonic)

    @rule(seconds=st.sampled_from([-200_000, -3601, -304, -298, 120, 304, 3601, 200_000]))
    def wall_clock_jumps(self, seconds: float) -> None:
        self.local.jump_wall(seconds)
        self.model.time.wall = self.local.time()

    @rule(index=handles)
    def process_restarts(self, index: int) -> None:
        self._portal.call(self.auths[index].aclose)
        self.auths[index] = self._opened(index)

    # What callers do

    @rule(
        index=handles,
        user=st.sampled_from(["alice", "bob"]),
        provider=st.sampled_from(list(PROVIDERS)),
        lifetime=st.sampled_from([-1000, 601, 3607, 20_003]),
        good=st.sampled_from([True, True, True, False]),
        network=networks,
    )
    def federate(self, index, user, provider, lifetime, good, network) -> None:
        self._federate(index, user, provider, lifetime, good=good, network=network)

    def _federate(self, index, user, provider, lifetime, *, good=True, network="fine") -> None:
        self._pass(1)
        who = f"{provider}/{user}"
        token = self.fake.issue_token(PROVIDERS[provider], user, lifetime=lifetime, forged=not good)
        expected = self.model.federate(
            self.knowledge[index],
            who,
            self.service.time() + lifetime,
            good=good,
            network=network,
        )

        async def call() -> str:
            try:
                result = await self.auths[index].federate_to_identity_pool(
                    token, PROVIDERS[provider]
                )
            except AuthError as error:
                return type(error).__name__
            assert self.identities.setdefault(who, result.identity_id) == result.identity_id
            return "ok"

        assert self._through(network, call) == expected

    @rule(index=handles, network=networks)
    def fetch(self, index, network) -> None:
        self._fetch(index, network, force=False)

    @rule(
        index=handles,
        network=networks,
        moment=st.sampled_from(list(MOMENTS)),
        seconds=st.sampled_from([-3, -1, 0, 7]),  # one more passes with the call
        monotonic=st.sampled_from([True, True, False]),  # no: the machine sleeps
    )
    def fetch_at(self, index, network, moment, seconds, monotonic) -> None:
        self._wait_for(moment, seconds, monotonic=monotonic)
        self._fetch(index, network, force=False)

    @rule(index=handles, network=networks, seconds=st.sampled_from([27, 28, 29]))
    def fetch_when_due_and_again(self, index, network, seconds) -> None:
        self._wait_for("due", 0)
        self._fetch(index, network, force=False)
        self._pass(seconds)
        self._fetch(index, "fine", force=False)

    @rule(index=handles, network=networks)
    def force(self, index, network) -> None:
        self._fetch(index, network, force=True)

    def _fetch(self, index, network, *, force) -> None:
        self._pass(1)
        expected = self.model.fetch(self.knowledge[index], force=force, network=network)
        auth = self.auths[index]
        session = self._through(network, lambda: auth.fetch_auth_session(force_refresh=force))
        record = self.knowledge[index].record
        error = session.credentials_result.error
        assert (type(error).__name__ if error else "values") == expected
        assert type(session.identity_id_result.error) is type(error)
        assert session.is_signed_in == (
            record.kind == "federated" and not self.knowledge[index].replaced
        )
        if expected == "values":
            assert session.identity_id == self.identities[record.who]
            expiration = session.credentials.expiration.timestamp()
            assert expiration == record.credentials.issued + 3600

    @rule(index=handles)
    def clear(self, index) -> None:
        self._pass(1)
        self.model.clear(self.knowledge[index])
        self._through("outage", self.auths[index].clear_federation_to_identity_pool)

    def _through(self, network, call):
        calls = len(self.fake.calls)
        self.transport.cut = network == "outage"
        if network == "throttled":
            self.fake.fail_next("TooManyRequestsException", times=3)
        try:
            return self._portal.call(call)
        finally:
            self.transport.cut = False
            self.fake.clear_faults()
            assert len(self.fake.calls) - calls <= 3

    @invariant()
    def the_states_agree(self) -> None:
        for auth, known in zip(self.auths, self.knowledge, strict=False):
            assert KINDS[type(auth.state)] == known.record.kind


class TrioSessions(Sessions):
    backend = "trio"


@pytest.mark.parametrize("machine", [Sessions, TrioSessions], ids=["asyncio", "trio"])
def test_sessions_behave_as_the_reference_model(machine):
    run_state_machine_as_test(
        machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
    )

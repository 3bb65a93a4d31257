"""How a promise is tested: against a store that a subclass makes, on every event loop.

The tests are plain functions that start their own event loop, so no plugin for async tests is
needed. This file must not import pytest: programs without it import the wing too.
"""

import uuid
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from amplify_federation import SessionStore

_Scenario = Callable[[Any, SessionStore, str], Awaitable[None]]
MANY = 20  # tasks that race; enough to lose updates in a store that has a gap
BRIEFLY = 0.05  # seconds that a wait which must fail takes


def on_every_backend(scenario: _Scenario) -> Callable[["AnyStore"], None]:
    def test(self: "AnyStore") -> None:
        import anyio  # noqa: PLC0415  # 30 ms, for whoever only imports the wing

        for backend in filter(find_spec, self.backends):  # trio is not everybody's
            anyio.run(_with_store, self, scenario, backend=backend)

    # Not functools.wraps: pytest would take the scenario's parameters for fixtures.
    test.__doc__ = scenario.__doc__
    return test


async def _with_store(contract: "AnyStore", scenario: _Scenario) -> None:
    store = contract.make_store()
    try:
        await scenario(contract, store, f"contract-{uuid.uuid4()}")
    finally:
        await contract.close_store(store)


@contextmanager
def refused(error: type[Exception]) -> Generator[None]:
    refused = False
    try:
        yield
    except error:
        refused = True
    assert refused, f"{error.__name__} was not raised"


class AnyStore:
    """What a subclass says about its store."""

    backends: tuple[str, ...] = ("asyncio", "trio")

    def make_store(self) -> SessionStore:
        """Return a store; each call within one test must reach the same records.

        Called with the event loop running.
        """
        raise NotImplementedError

    async def close_store(self, store: Any) -> None:  # noqa: ANN401  # the subclass knows its type
        """Close what `make_store` opened; does nothing unless overridden."""

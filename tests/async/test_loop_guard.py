import asyncio
import subprocess
import sys

import pytest
import trio

from amplify_federation._async.loop_guard import LoopGuard, is_asyncio
from amplify_federation.errors import InvalidStateError

LOOPS = {"asyncio": asyncio.run, "trio": lambda coroutine: trio.run(lambda: coroutine)}


async def check(guard):
    guard.check()


@pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)
def test_the_first_loop_is_home(run):
    async def main():
        guard = LoopGuard("FederatedAuth")
        for _ in range(3):
            guard.check()

    run(main())


@pytest.mark.parametrize("second", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("first", LOOPS.values(), ids=LOOPS)
def test_a_second_loop_is_refused(first, second):
    guard = LoopGuard("FederatedAuth")
    first(check(guard))
    with pytest.raises(InvalidStateError, match="second event loop") as caught:
        second(check(guard))
    assert "each event loop" in caught.value.recovery_suggestion
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("first", LOOPS.values(), ids=LOOPS)
def test_outside_of_a_loop_there_is_no_home(first):
    guard = LoopGuard("FederatedAuth")
    with pytest.raises(InvalidStateError, match="no running event loop"):
        guard.check()
    first(check(guard))  # and nothing was remembered
    with pytest.raises(InvalidStateError, match="second event loop"):
        guard.check()


def test_the_loop_is_told_by_running_it():
    async def main():
        return is_asyncio()

    assert not is_asyncio()
    assert asyncio.run(main())
    assert not trio.run(main)


def test_neither_loop_is_loaded_to_find_that_none_runs():
    script = (
        "import sys\n"
        "from amplify_federation._async.loop_guard import LoopGuard\n"
        "from amplify_federation.errors import InvalidStateError\n"
        "try:\n"
        "    LoopGuard('FederatedAuth').check()\n"
        "except InvalidStateError:\n"
        "    print({'asyncio', 'trio'} & set(sys.modules))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("missing", [("asyncio",), ("trio",), ("asyncio", "trio")])
def test_a_loop_that_was_never_loaded_does_not_run(monkeypatch, missing):
    for name in missing:
        monkeypatch.delitem(sys.modules, name)
    assert not is_asyncio()
    with pytest.raises(InvalidStateError, match="no running event loop"):
        LoopGuard("FederatedAuth").check()


def test_closing_in_a_second_loop_is_refused_once_it_was_used():
    guard = LoopGuard("FederatedUsers")

    async def call(method):
        method()

    asyncio.run(call(guard.check_closing))  # never used: nothing is open
    asyncio.run(call(guard.check))
    with pytest.raises(
        InvalidStateError, match=r"`FederatedUsers` is closed from a second"
    ) as caught:
        asyncio.run(call(guard.check_closing))
    assert "in the event loop that used it" in caught.value.recovery_suggestion


def test_a_guard_that_follows_tells_each_new_loop_once():
    guard = LoopGuard("LeanTransport")

    async def follow():
        return [guard.follow() for _ in range(2)]

    assert [asyncio.run(follow()), trio.run(follow)] == [[True, False]] * 2

import asyncio
import subprocess
import sys

import pytest
import trio

from amplify_federation._async.loop_guard import LoopGuard, is_asyncio
from amplify_federation.errors import InvalidStateError

LOOPS = {"asyncio": asyncio.run, "trio": lambda coroutine: trio.run(lambda: coroutine)}


async def check(home):
    home.check()


@pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)
def test_the_first_loop_is_home(run):
    async def main():
        home = LoopGuard("FederatedAuth")
        for _ in range(3):
            home.check()

    run(main())


@pytest.mark.parametrize("second", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("first", LOOPS.values(), ids=LOOPS)
def test_a_second_loop_is_refused(first, second):
    home = LoopGuard("FederatedAuth")
    first(check(home))
    with pytest.raises(InvalidStateError, match="second event loop") as caught:
        second(check(home))
    assert "each event loop" in caught.value.recovery_suggestion
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("first", LOOPS.values(), ids=LOOPS)
def test_outside_of_a_loop_there_is_no_home(first):
    home = LoopGuard("FederatedAuth")
    with pytest.raises(InvalidStateError, match="no running event loop"):
        home.check()
    first(check(home))  # and nothing was remembered
    with pytest.raises(InvalidStateError, match="second event loop"):
        home.check()


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
    home = LoopGuard("FederatedUsers")

    async def call(method):
        method()

    asyncio.run(call(home.check_closing))  # never used: nothing is open
    asyncio.run(call(home.check))
    with pytest.raises(
        InvalidStateError, match=r"`FederatedUsers` is closed from a second"
    ) as caught:
        asyncio.run(call(home.check_closing))
    assert "in the event loop that used it" in caught.value.recovery_suggestion

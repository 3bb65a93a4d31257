"""Settings of every test, and the AWS that several rooms of tests talk to."""

import gc
import os
import signal
import threading
import time

import anyio
import pytest
from hypothesis import HealthCheck, settings

from amplify_federation.testing import FakeCognito, ManualClock
from tests.sizes import advice

# No test depends on how fast the machine is, nor on how large the first examples happen to be.
BY_CHANCE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("house", deadline=None, suppress_health_check=BY_CHANCE)
settings.load_profile("house")
# What ships is what is tested; tests of mocks ask for httpx, which the plugin would set.
os.environ.setdefault("AMPLIFY_FEDERATION_TRANSPORT", "lean")
# moto takes the local time for UTC: elsewhere its credentials are over, or last for hours.
os.environ["TZ"] = "UTC"
if hasattr(time, "tzset"):
    time.tzset()
os.umask(0o022)  # folders that tests make are safe ones, whoever runs them; some set another


# TEST_LOOP=uvloop runs on that loop what runs on asyncio's and trio's otherwise.
LOOPS = {
    "uvloop": [pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")],
    "": ["asyncio", "trio"],
}[os.environ.get("TEST_LOOP", "")]


@pytest.fixture(scope="module", params=LOOPS)
def anyio_backend(request):
    return request.param


@pytest.fixture(params=["asyncio", "trio"])
def run_without_threads(request, monkeypatch):
    """Give a function that runs another in a new event loop where no thread can be started."""
    cache = pytest.importorskip("trio._core._thread_cache")
    monkeypatch.setattr(cache, "THREAD_CACHE", cache.ThreadCache())  # without idle threads

    def refuse(_thread):
        raise RuntimeError("can't start new thread")  # as CPython has it

    def run(work):
        async def limited():
            with monkeypatch.context() as patch:  # undone here: asyncio ends with a thread
                patch.setattr(threading.Thread, "start", refuse)
                return await work()

        return anyio.run(limited, backend=request.param)

    return run


def pytest_configure():
    """Heed in the processes that tests start what a job in the background ignores."""
    defaults = {"SIGINT": signal.default_int_handler, "SIGQUIT": 0, "SIGHUP": 0}
    for name, default in defaults.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


def pytest_collection_finish():
    """Spare every later collection of garbage what was imported: a third of a second each."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def fake(clock):
    return FakeCognito(clock=clock)


@pytest.fixture
def no_jitter(monkeypatch):
    """Have no retry wait for anything but the server's wish."""
    monkeypatch.setattr("random.random", lambda: 0.0)


def pytest_terminal_summary(terminalreporter, config):
    """Print what is larger than advised, after a run of the whole suite."""
    if not config.args or config.args == config.getini("testpaths"):
        terminalreporter.section("sizes, as advice")
        for line in advice():
            terminalreporter.write_line(line)


@pytest.fixture(scope="module")
def moto():
    """Give the URL of AWS by moto, over loopback."""
    moto_server = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()

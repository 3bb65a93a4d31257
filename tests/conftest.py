"""Settings of every test, and the AWS that several rooms of tests talk to."""

import pytest
from hypothesis import HealthCheck, settings

from tests.sizes import advice

# No test depends on how fast the machine is.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


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

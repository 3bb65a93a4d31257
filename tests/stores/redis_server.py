"""A real redis-server on a free port, to be stopped, killed and restarted."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress

import anyio
import pytest

from amplify_federation import StoreUnavailableError
from amplify_federation.stores import _redis_client
from amplify_federation.stores._redis_client import DEADLINE
from amplify_federation.stores.redis import RedisStore

KEY = bytes(range(32))
PLENTY = 30.0  # seconds: far beyond the deadline of 0.3, far below a hang

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None or sys.platform == "win32",
    reason="redis-server is not installed here",
)


# Below those that a system gives to connections, which could take a port before the server does. A
# cluster's node listens 10,000 ports further up, too.
_PORTS = range(11_000, 21_000)


def free_port() -> int:
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class RedisServer:
    """A server without persistence: what it held is gone after a restart."""

    def __init__(self, folder, *options: str, file=None) -> None:
        self._folder = folder
        self._options = options
        self._file = [] if file is None else [str(file)]
        self._process = None
        for _ in range(5):  # another test may take the port first
            self.port = free_port()
            said = self._started()
            if said is None:
                return
        pytest.fail(f"redis-server did not start: {said}")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server that was killed on its port again."""
        if (said := self._started()) is not None:
            pytest.fail(f"redis-server did not start again: {said}")

    def _started(self) -> str | None:
        """Start the server; return what it said if it ended at once."""
        command = ["redis-server", *self._file, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self._folder), *self._options]
        if not self._file:
            command += ["--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "eady to accept connections" in line or "+monitor master" in line:
                return None
        self.stop()
        return "".join(said[-5:])

    def kill(self) -> None:
        self.resume()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def restart(self) -> None:
        self.kill()
        self.start()

    def suspend(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self) -> None:
        if not self._process.stdout.closed:
            self.kill()

    def ask(self, *words: str) -> str:
        """Send a command over a socket of its own, and return the first answer, raw."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall((" ".join(words) + "\r\n").encode())
            return connection.recv(1 << 20).decode("latin-1")


async def a_moment():
    """Let the event loop see what happened to its sockets, as one that serves requests does."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


@contextmanager
def suspended(server):
    """Stop the server's process for a while, under the deadline as users have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_redis_client, "DEADLINE", DEADLINE)
        server.suspend()
        yield
        server.resume()


async def refused(url, *secrets):
    """Return why a Redis does not serve; nothing of it names the secrets."""
    async with RedisStore(url, key=KEY) as store:
        with pytest.raises(StoreUnavailableError) as caught:
            await store.read("a")
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    for secret in secrets:
        assert secret not in f"{error} {error.recovery_suggestion}"
    return error


class RedisCluster:
    """Three masters without replicas, each with a third of the slots."""

    def __init__(self, folder, *options: str) -> None:
        self.nodes = []
        try:
            for number in range(3):
                home = folder / f"node-{number}"
                home.mkdir()
                self.nodes.append(RedisServer(home, "--cluster-enabled", "yes", *options))
            self._join(folder)
        except BaseException:
            self.stop()
            raise

    def _join(self, folder) -> None:
        command = ["redis-cli", "--cluster", "create", "--cluster-yes"]
        command += [f"127.0.0.1:{node.port}" for node in self.nodes]
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=folder)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    async def ready(self) -> None:
        """Wait until each node says that the whole cluster serves."""
        with anyio.fail_after(60):
            for node in self.nodes:
                while "cluster_state:ok" not in node.ask("CLUSTER", "INFO"):  # noqa: ASYNC110 - another process
                    await anyio.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

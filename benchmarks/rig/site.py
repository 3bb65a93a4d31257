"""The example backend in processes of its own, one for each worker, over one Redis.

A request goes to any worker by chance, as behind a load balancer: each listens on a port of its
own, for workers that share a listening socket share connections unevenly. Redis keeps nothing on
disk; `suspend` makes it silent, as a network does that lost it.
"""

import base64
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.rig.server import reserved_port, wait_for

_APPLICATION = "tests.example_app.game:app"
_START = 60  # seconds for a worker on a busy machine


class Redis:
    """A `redis-server` process."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(port, self._process)

    def suspend(self) -> None:
        """Answer nothing until `resume`; connections stay open."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again, with all that was stored."""
        os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


class Site:
    """The workers of the example backend."""

    def __init__(self, folder: Path, ports: list[int], environment: dict[str, str]) -> None:
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self._log = folder / "workers.log"
        command = [sys.executable, "-m", "uvicorn", _APPLICATION, "--no-access-log"]
        with self._log.open("wb") as log:
            self._processes = [
                subprocess.Popen(
                    [*command, "--port", str(port)],
                    env={**os.environ, **environment},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
                for port in ports
            ]
        deadline = time.monotonic() + _START
        while self.log().count("Application startup complete") < len(ports):
            if time.monotonic() > deadline or any(each.poll() for each in self._processes):
                self.stop()
                raise RuntimeError(self.log())
            time.sleep(0.05)

    def url(self, chance: random.Random) -> str:
        """Return a worker's URL, any of them by chance."""
        return chance.choice(self.urls)

    def log(self) -> str:
        """Return what the workers wrote."""
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        """End the workers."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()


@contextmanager
def running_site(
    folder: Path, *, workers: int, pool: str, cognito_url: str
) -> Iterator[tuple[Site, Redis]]:
    """Run Redis and the workers."""
    with ExitStack() as stack:
        port, *ports = _free_ports(1 + workers)
        redis = Redis(folder, port)
        stack.callback(redis.stop)
        environment = {
            "GAME_POOL": pool,
            "GAME_REDIS": redis.url,
            "GAME_SCORES": str(folder / "scores.sqlite"),
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY": cognito_url,
            "AMPLIFY_FEDERATION_KEY": base64.b64encode(bytes(range(32))).decode(),
        }
        site = Site(folder, ports, environment)
        stack.callback(site.stop)
        yield site, redis


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        return [stack.enter_context(reserved_port()) for _ in range(count)]

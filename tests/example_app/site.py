"""The game under uvicorn with two workers, over a real Redis and the embedded Cognito."""

import base64
import os
import signal
import subprocess
import sys

import anyio
import httpx

from tests.stores.redis_server import free_port

WORKERS = 2
KEY = base64.b64encode(bytes(range(32))).decode()


class Site:
    """The game, started and stopped."""

    def __init__(self, folder, *, pool: str, redis_url: str, cognito_url: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "uvicorn.log"
        environment = {
            **os.environ,
            "GAME_POOL": pool,
            "GAME_REDIS": redis_url,
            "GAME_SCORES": str(folder / "scores.sqlite"),
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY": cognito_url,
            "AMPLIFY_FEDERATION_KEY": KEY,
        }
        environment.pop("AMPLIFY_FEDERATION_KEY_FILE", None)
        command = [sys.executable, "-m", "uvicorn", "tests.example_app.game:app"]
        command += ["--port", str(self.port), "--workers", str(WORKERS), "--no-access-log"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    async def ready(self) -> None:
        """Wait until both workers have started; they say so in the log."""
        with anyio.fail_after(60):
            while self.log().count("Application startup complete") < WORKERS:
                assert self._process.poll() is None, self.log()
                await anyio.sleep(0.05)

    async def kill_a_worker(self) -> int:
        """Kill the worker that answers, without a warning."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            pid = (await client.get("/worker")).json()
        os.kill(pid, signal.SIGKILL)
        return pid

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

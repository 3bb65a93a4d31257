"""A real browser, driven over the pipe of its debugging protocol."""

import json
import os
import shutil
import subprocess
import sys
import time

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# The browser reads commands from descriptor 3 and writes to 4; both end with a zero byte.
_START = "import os, sys; a = sys.argv; os.dup2(int(a[1]), 3); os.dup2(int(a[2]), 4); "
_START += "os.execv(a[3], a[3:])"
_PATIENCE = 60.0  # seconds of real time until a page that does not come is a failure


class Browser:
    """One headless Chromium with one page."""

    def __init__(self, folder):
        commands, self._send = os.pipe()
        self._receive, events = os.pipe()
        self._process = subprocess.Popen(
            [
                sys.executable, "-c", _START, str(commands), str(events),
                CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={folder}",
                "--no-proxy-server",
            ],
            pass_fds=(commands, events), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(events)
        self._buffer, self._number, self._session = b"", 0, None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        os.close(self._send)
        os.close(self._receive)

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                piece = os.read(self._receive, 65_536)
                assert piece, "the browser has ended"
                self._buffer += piece
            line, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._number:
                return answer.get("result", {})

    def open(self, url):
        self._call("Page.navigate", url=url)

    def script(self, text):
        """Return what a script on the page gives."""
        return self._call("Runtime.evaluate", expression=text).get("result", {}).get("value")

    def wait_for(self, text):
        """Wait until a script gives something true, and return it."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            value = self.script(text)
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(self.script("document.documentElement.outerHTML"))

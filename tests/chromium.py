"""A headless Chromium: used by keyboard and read as a screen reader reads it, or driven by scripts.

It is driven over the pipe of the Chrome DevTools Protocol, which needs no library.
"""

import json
import os
import shutil
import subprocess
import time

import pytest

_PATIENCE = 60.0  # seconds of real time until a page that does not come is a failure


class Chromium:
    """One page of a browser, whose scripts are switched off unless `scripts`."""

    def __init__(self, folder, *, scripts=False):
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            pytest.skip("Chromium is not installed")
        self._number = 0
        self._buffer = b""
        read_end, self._to = os.pipe()
        self._from, write_end = os.pipe()
        # The protocol's pipe is at descriptors 3 and 4 of the browser.
        self._process = subprocess.Popen(
            [
                "bash", "-c", f'exec "$0" "$@" 3<&{read_end} 4>&{write_end}', program,
                "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-dev-shm-usage", "--disable-component-update", "--disable-sync",
                "--disable-background-networking", "--no-proxy-server", "--remote-debugging-pipe",
                f"--user-data-dir={folder}", "about:blank",
            ],
            pass_fds=(read_end, write_end), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_end)
        os.close(write_end)
        self._session = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.send("Page.enable")
        self.send("Accessibility.enable")
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def send(self, method, *, until=None, **parameters):
        """Send a command and return its result, or that of the event that it leads to."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        result = None
        while True:
            told = self._receive()
            if told.get("id") == self._number:
                assert "error" not in told, told
                result = told["result"]
            if until is None and result is not None:
                return result
            if until is not None and told.get("method") == until:
                return told["params"]

    def _receive(self):
        while b"\0" not in self._buffer:
            more = os.read(self._from, 1 << 16)
            assert more, "the browser has ended"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def navigate(self, url):
        """Go to a page, and do not wait for it."""
        self.send("Page.navigate", url=url)

    def script(self, text):
        """Return what a script on the page gives."""
        return self.send("Runtime.evaluate", expression=text).get("result", {}).get("value")

    def wait_for(self, text):
        """Wait until a script gives something true, and return it."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            value = self.script(text)
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(self.script("document.documentElement.outerHTML"))

    def open(self, url):
        """Open a page whose first field takes the focus, which it does after it is loaded."""
        self.send("Page.navigate", until="Page.loadEventFired", url=url)
        for _ in range(1000):
            if self.spoken()[1] is not None:
                return
        raise AssertionError("no field has the focus")

    def press(self, key, *, loads=False, commands=()):
        """Press and release a key; `loads`: wait for the page that it leads to."""
        code = {"Tab": 9, "Enter": 13, "a": 65}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        given = {"key": key, "windowsVirtualKeyCode": code, "commands": list(commands), **text}
        until = "Page.loadEventFired" if loads else None
        self.send("Input.dispatchKeyEvent", until=until, type="keyDown", **given)
        if not loads:
            self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text):
        """Replace what stands in the focused field."""
        self.press("a", commands=["selectAll"])
        self.send("Input.insertText", text=text)

    def spoken(self):
        """Return role and name of what a screen reader finds, in order, and who has the focus."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        found, focused = [], None
        for node in nodes:
            if node.get("ignored"):
                continue
            role, name = node["role"]["value"], node.get("name", {}).get("value", "")
            found.append((role, name))
            if any(p["name"] == "focused" and p["value"]["value"] for p in node["properties"]):
                focused = (role, name) if role != "RootWebArea" else focused
        return found, focused

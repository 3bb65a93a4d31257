"""The command `login` in a process of its own, and a person at the provider's pages."""

import html
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

CLIENT = "terminal-client"


class SigningIn:
    """`amplify-federation login` as a process, up to what it asks the person to do."""

    def __init__(self, command, *arguments, env=None):
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "amplify_federation.cli", "login", *arguments],
            env=command.environment(**(env or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def until(self, pattern):
        """Return what a pattern finds in a line of stderr."""
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found[0]
        raise AssertionError("".join(self.lines))

    def end(self):
        """Wait for the end; return exit code, stdout and stderr."""
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        out = self.process.stdout.read()
        err = "".join([*self.lines, *self.process.stderr])
        code = self.process.wait()
        watchdog.cancel()
        return code, out, err


def act(url, *, user="alice", decision="allow", change=lambda uri: uri):
    """Sign in on the page as a browser would; return the redirect, and the page at its end."""
    with httpx.Client(trust_env=False) as browser:
        answer = browser.get(url)
        if answer.status_code == 200:
            hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text)
            form = {name: html.unescape(value) for name, value in hidden}
            answer = browser.post(url, data={**form, "user": user, "decision": decision})
        if answer.status_code not in {302, 303}:
            return None, answer
        redirect = change(answer.headers["location"])
        return redirect, browser.get(redirect)


def enter_code(url, code, *, user="alice", decision="allow"):
    with httpx.Client(trust_env=False) as browser:
        form = {"user_code": code, "user": user, "decision": decision}
        return browser.post(url, data=form)


def wait_until_told():
    """Wait for the file that a variable names, if it is set: a test has to see this process."""
    end = time.monotonic() + 60
    while (file := os.environ.get("TEST_UNTIL")) and not Path(file).exists():
        assert time.monotonic() < end
        time.sleep(0.01)


if __name__ == "__main__":  # as the browser of a terminal, which BROWSER names; or to wait alone
    wait_until_told()
    for url in sys.argv[1:]:
        act(url)

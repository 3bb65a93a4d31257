"""The Python of the README and of the guide, pasted into the console that the README opens.

It runs on the Python of the test run; `.ci/run` runs it on every other that is there. Consoles
differ: up to 3.12 a blank line ends a block, and from 3.13 on a paste is taken as one.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

from tests.documents import blocks_of, command_of

GUIDE = "amplify_federation/README.md"
TO_PASTE = [
    block
    for document in ("README.md", GUIDE)
    for block in blocks_of(document, "python")
    if block.file_name is None
]

# What a block shows, by a line in it.
SHOWN = {
    "print(result.identity_id)": "us-west-2:",
    "generate_presigned_url": "X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "print(guest.": "False us-west-2:",
    "print(event.kind": "federated federated",
    "print(user.username": "alice",
    "# still signed in": "Federated(",
}

CONTROL_SEQUENCE = re.compile("\x1b(?:\\[[0-9;?]*[A-Za-z]|[=>])")


class Console:
    """A terminal with a program in it."""

    def __init__(self, command, *, folder):
        self.screen = ""
        self._mine, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "AMPLIFY_FEDERATION_", "COVERAGE_"))
        }
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, "TERM": "xterm", "PYTHON_HISTORY": str(folder / "history")},
            stdin=its, stdout=its, stderr=its, start_new_session=True,
        )  # fmt: skip
        os.close(its)

    def paste(self, code):
        """Paste code, as a terminal does it, and press Enter until the block is over."""
        as_one = sys.version_info >= (3, 13)
        self._write(f"\x1b[200~{code}\x1b[201~\r" if as_one else f"{code}\r")

    def read_until(self, text):
        """Return what was shown since the last call, up to this text."""
        deadline = time.monotonic() + 60
        while text not in self.screen:
            ready, _, _ = select.select([self._mine], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                pytest.fail(f"{text!r} never came:\n{self.screen}")
            try:
                more = os.read(self._mine, 65536).decode(errors="replace")
            except OSError:  # Linux's way to say that the program is gone
                pytest.fail(f"The console ended:\n{self.screen}")
            self.screen = CONTROL_SEQUENCE.sub("", self.screen + more)
        shown, _, self.screen = self.screen.partition(text)
        return shown

    def _write(self, text):
        os.write(self._mine, text.encode())

    def close(self):
        self._write("exit()\r")
        try:
            return self._process.wait(60)
        finally:
            os.close(self._mine)  # a console that hangs gets SIGHUP
            self._process.wait(60)


@pytest.fixture
def console(tmp_path):
    (opens,) = [each.code for each in blocks_of("README.md", "sh") if "-m asyncio" in each.code]
    console = Console(command_of(opens), folder=tmp_path)
    yield console
    assert console.close() == 0


def test_every_block_pastes_as_it_stands_from_top_to_bottom(console):
    console.read_until(">>> import asyncio")
    for number, block in enumerate(TO_PASTE):
        console.paste(block.code)
        console.paste(f"print('the end', 'of {number}')\n")
        shown = console.read_until(f"the end of {number}")
        place = f"{block.document}, line {block.line}"
        for line, text in SHOWN.items():
            assert line not in block.code or text in shown, f"{place}:\n{shown}"
        assert not re.search(r"Traceback|^\W*[\w.]*Error: ", shown, re.MULTILINE), (
            f"{place}:\n{shown}"
        )

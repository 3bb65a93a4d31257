"""A sign of life on stderr for what takes longer than a second. This file must not know what."""

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

import click

from amplify_federation.cli.terminal.output import wants_json

PATIENCE = 1.0  # seconds before anything is said
_LOG_PAUSE = 10.0  # seconds between lines where stderr is no terminal


@contextmanager
def progress(doing: str, *, patience: float = PATIENCE) -> Generator[None]:
    """Say what is being done if the block takes longer than `patience` seconds.

    On a terminal the line counts the seconds and goes in the end; elsewhere it is repeated every
    10 s. With `--json` nothing is said: stderr carries the error then.
    """
    if wants_json():
        yield
        return
    over = threading.Event()
    # A thread, so that it needs no event loop and a blocked one cannot stop it.
    teller = threading.Thread(target=_tell, args=(doing, patience, over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _tell(doing: str, patience: float, over: threading.Event) -> None:
    waited = patience
    if over.wait(patience):
        return
    terminal = sys.stderr.isatty()
    while True:
        click.echo(
            f"\r{doing} ... {waited:.0f} s" if terminal else f"{doing} ...",
            nl=not terminal,
            err=True,
        )
        pause = 1.0 if terminal else _LOG_PAUSE
        if over.wait(pause):
            break
        waited += pause
    if terminal:
        click.echo("\r\x1b[K", nl=False, err=True)

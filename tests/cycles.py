"""Reference cycles through frames: what an error binds stays in memory until the collector runs."""

import gc
import types
from collections.abc import Iterator
from contextlib import contextmanager

_OURS = "/amplify_federation/"


@contextmanager
def frames_in_cycles() -> Iterator[list[str]]:
    """Yield a list; after the block it names the package's frames that are in a cycle."""
    names: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield names
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        codes = [each.f_code for each in gc.garbage if isinstance(each, types.FrameType)]
        names += [
            code.co_qualname for code in codes if _OURS in code.co_filename.replace("\\", "/")
        ]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()

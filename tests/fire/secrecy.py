"""Whether an error shows a secret, anywhere in it."""

import traceback
from collections.abc import Iterator

_OURS = "amplify_federation"


def leaks_of(error: BaseException, secrets: tuple[str, ...]) -> list[str]:
    """Return the places of an error, or of those it came from, that show a secret."""
    return [place for place, shown in _shown(error) if any(secret in shown for secret in secrets)]


def _shown(error: BaseException) -> Iterator[tuple[str, str]]:
    for link in _chain(error, set()):
        name = type(link).__name__
        yield f"str of {name}", str(link)
        yield f"repr of {name}", repr(link)
        yield f"args of {name}", repr(link.args)
        yield f"attributes of {name}", repr(vars(link))
        told = traceback.TracebackException.from_exception(link, capture_locals=True)
        for frame in told.stack:
            if f"/{_OURS}/" in frame.filename.replace("\\", "/"):
                yield f"locals of {frame.name} below {name}", repr(frame.locals)


def _chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    yield from _chain(error.__cause__, seen)
    yield from _chain(error.__context__, seen)
    for each in getattr(error, "exceptions", ()):
        yield from _chain(each, seen)

"""A few values by name, the latest used. Bounded, for servers of many users.

Threads may share one. It has no lock, which a fork could leave locked for ever: each step is one
operation on the dictionary.
"""

from collections import OrderedDict
from contextlib import suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_SIZE: Final = 256


class LruCache(Generic[T]):
    """Remembers the values of the names used last."""

    def __init__(self, size: int = _SIZE) -> None:
        self._size = size
        self._values: OrderedDict[str, T] = OrderedDict()

    def __repr__(self) -> str:
        return f"<LruCache of {len(self._values)}>"

    def get(self, name: str) -> T | None:
        """Return the value, which counts as a use, or `None`."""
        value = self._values.get(name)
        if value is not None:
            with suppress(KeyError):  # another thread dropped it meanwhile
                self._values.move_to_end(name)
        return value

    def put(self, name: str, value: T) -> None:
        """Remember a value."""
        self._values[name] = value
        with suppress(KeyError):
            self._values.move_to_end(name)
            if len(self._values) > self._size:
                self._values.popitem(last=False)

    def drop(self, name: str) -> None:
        """Forget a value, if it is there."""
        self._values.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        self._values.clear()

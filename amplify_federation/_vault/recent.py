"""A few values by name, the latest used. Bounded, for servers of many users; safe among threads."""

from collections import OrderedDict
from threading import Lock
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_KEPT: Final = 256


class Recent(Generic[T]):
    """Remembers the values of the names used last."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._values: OrderedDict[str, T] = OrderedDict()
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<Recent of {len(self._values)}>"

    def get(self, name: str) -> T | None:
        """Return the value, which counts as a use, or `None`."""
        with self._lock:
            if name not in self._values:
                return None
            self._values.move_to_end(name)
            return self._values[name]

    def put(self, name: str, value: T) -> None:
        """Remember a value."""
        with self._lock:
            self._values[name] = value
            self._values.move_to_end(name)
            if len(self._values) > self._kept:
                self._values.popitem(last=False)

    def drop(self, name: str) -> None:
        """Forget a value, if it is there."""
        with self._lock:
            self._values.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._values.clear()

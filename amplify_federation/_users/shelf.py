"""Shelf: the sessions that are kept in memory. The least recently used goes first.

A session that was dropped while somebody still holds it is found again as long as it lives, so
that one user never has two sessions in one process. It must not know what a session is for.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from weakref import WeakValueDictionary

from amplify_federation._session.session import Session


class Shelf:
    """Sessions by the name of their record, at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, Session] = OrderedDict()
        self._outlived: WeakValueDictionary[str, Session] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Session]:
        yield from list(self._kept.values())
        yield from list(self._outlived.values())

    def find(self, name: str) -> Session | None:
        """Return a session, which counts as a use, or `None`."""
        session = self._kept.get(name)
        if session is not None:
            self._kept.move_to_end(name)
            return session
        session = self._outlived.get(name)
        if session is not None:
            self.put(session)
        return session

    def put(self, session: Session) -> None:
        """Keep a session, and drop what was not used for longest if there are too many."""
        name = session.context.keeper.name
        self._kept[name] = session
        self._kept.move_to_end(name)
        self._outlived.pop(name, None)
        if len(self._kept) > self._limit:
            name, dropped = self._kept.popitem(last=False)
            self._outlived[name] = dropped

    def oldest(self, count: int) -> list[Session]:
        """Return the sessions that were not used for longest."""
        return list(islice(self._kept.values(), count))

    def drop(self, session: Session) -> None:
        """Forget a session."""
        name = session.context.keeper.name
        if self._kept.get(name) is session:
            del self._kept[name]

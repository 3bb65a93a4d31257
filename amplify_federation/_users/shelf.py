"""Shelf: the sessions that are kept in memory. The least recently used goes first.

A session that was dropped or laid to rest while somebody still holds it is found again as long as
it lives, so that one user never has two sessions in one process. It must not know what a session
is for.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from weakref import WeakValueDictionary

from amplify_federation._session.session import Session
from amplify_federation._users.resting import Resting

Kept = Session | Resting


class Shelf:
    """Sessions by the name of their record, awake or at rest, at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._outlived: WeakValueDictionary[str, Session] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Session]:
        """Go through the sessions that are awake."""
        yield from [kept for kept in self._kept.values() if isinstance(kept, Session)]
        yield from list(self._outlived.values())

    def find(self, name: str) -> Kept | None:
        """Return a session, which counts as a use, or `None`."""
        kept = self._kept.get(name)
        if kept is not None:
            self._kept.move_to_end(name)
            return kept
        session = self._outlived.get(name)
        if session is not None:
            self.put(session)
        return session

    def peek(self, name: str) -> Kept | None:
        """Return a session without counting that as a use; any thread may."""
        return self._kept.get(name) or self._outlived.get(name)

    def outlived(self, name: str) -> Session | None:
        """Return the session that somebody still holds although it was laid to rest."""
        return self._outlived.get(name)

    def put(self, session: Session) -> None:
        """Keep a session, and drop what was not used for longest if there are too many."""
        name = session.context.keeper.name
        self._kept[name] = session
        self._kept.move_to_end(name)
        self._outlived.pop(name, None)
        if len(self._kept) > self._limit:
            name, dropped = self._kept.popitem(last=False)
            if isinstance(dropped, Session):
                self._outlived[name] = dropped

    def lay_down(self, session: Session, resting: Resting) -> None:
        """Keep a session at rest in the place of one that is awake."""
        name = session.context.keeper.name
        if self._kept.get(name) is session:
            self._kept[name] = resting
            self._outlived[name] = session

    def rest_on(self, name: str, before: Resting, resting: Resting) -> None:
        """Keep a session at rest in the place of the same one before."""
        if self._kept.get(name) is before:
            self._kept[name] = resting

    def oldest(self, count: int) -> list[tuple[str, Kept]]:
        """Return the sessions that were not used for longest."""
        return list(islice(self._kept.items(), count))

    def drop(self, name: str, kept: Kept) -> None:
        """Forget a session."""
        if self._kept.get(name) is kept:
            del self._kept[name]

"""The shelf of sessions: bounded, least recently used first out, one session for a name."""

import gc

from amplify_federation._users.shelf import Shelf


def _session(town, name):
    return town.auth(session_name=name)._session


def test_a_session_that_was_found_counts_as_used(town):
    shelf = Shelf(2)
    a, b, c = (_session(town, name) for name in "abc")
    shelf.put(a)
    shelf.put(b)
    assert shelf.find(a.context.keeper.name) is a
    shelf.put(c)
    assert [kept for _, kept in shelf.oldest(5)] == [a, c]
    assert len(shelf) == 2


def test_a_dropped_session_is_found_while_somebody_holds_it(town):
    shelf = Shelf(1)
    a = _session(town, "a")
    name = a.context.keeper.name
    shelf.put(a)
    shelf.put(_session(town, "b"))
    assert a in list(shelf)
    assert shelf.find(name) is a
    shelf.put(_session(town, "c"))
    del a
    gc.collect()
    assert shelf.find(name) is None


def test_a_session_is_forgotten_on_request_and_another_of_its_name_is_not(town):
    shelf = Shelf(2)
    a, other = _session(town, "a"), _session(town, "a")
    shelf.put(a)
    shelf.drop(other.context.keeper.name, other)
    assert len(shelf) == 1
    shelf.drop(a.context.keeper.name, a)
    assert len(shelf) == 0

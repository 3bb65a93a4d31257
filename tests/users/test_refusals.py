"""The short memory of refused tokens."""

from amplify_federation import NotAuthorizedError, NotAuthorizedReason
from amplify_federation._users import refusals
from amplify_federation._users.refusals import Refusals
from amplify_federation.testing import ManualClock


def _refused(reason=NotAuthorizedReason.TOKEN_SIGNATURE):
    error = NotAuthorizedError("no")
    error.reason = reason
    return error


def test_a_refusal_is_forgotten_after_ten_seconds():
    clock = ManualClock()
    memory, error = Refusals(clock), _refused()
    memory.note("a", error)
    clock.advance(9.9)
    assert memory.get("a") is error
    clock.advance(0.1)
    assert memory.get("a") is None
    assert len(memory) == 0


def test_a_fault_of_the_pool_is_not_noted():
    memory = Refusals(ManualClock())
    memory.note("a", _refused(NotAuthorizedReason.PROVIDER_NOT_CONFIGURED))
    memory.note("b", _refused(NotAuthorizedReason.IDENTITY_MISMATCH))
    assert len(memory) == 0


def test_a_token_of_another_issuer_is_noted():
    memory = Refusals(ManualClock())
    memory.note("a", _refused(NotAuthorizedReason.WRONG_PROVIDER))
    assert len(memory) == 1


def test_the_memory_is_bounded_and_forgets_the_oldest(monkeypatch):
    monkeypatch.setattr(refusals, "_LIMIT", 2)
    memory = Refusals(ManualClock())
    for name in "abc":
        memory.note(name, _refused())
    assert [memory.get(name) is not None for name in "abc"] == [False, True, True]

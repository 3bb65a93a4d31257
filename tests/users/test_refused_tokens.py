"""Rejected tokens, remembered for a short time."""

from amplify_federation import NotAuthorizedError, NotAuthorizedReason
from amplify_federation._users.refused_tokens import RejectedTokens
from amplify_federation.testing import ManualClock


def _refused(reason=NotAuthorizedReason.TOKEN_SIGNATURE):
    error = NotAuthorizedError("no")
    error.reason = reason
    return error


def test_a_refusal_is_forgotten_after_ten_seconds():
    clock = ManualClock()
    memory, error = RejectedTokens(clock), _refused()
    memory.add("a", error)
    clock.advance(9.9)
    assert memory.get("a") is error
    clock.advance(0.1)
    assert memory.get("a") is None
    assert len(memory) == 0


def test_a_fault_of_the_pool_is_not_remembered():
    memory = RejectedTokens(ManualClock())
    memory.add("a", _refused(NotAuthorizedReason.PROVIDER_NOT_CONFIGURED))
    memory.add("b", _refused(NotAuthorizedReason.IDENTITY_MISMATCH))
    assert len(memory) == 0


def test_a_token_of_another_issuer_is_remembered():
    memory = RejectedTokens(ManualClock())
    memory.add("a", _refused(NotAuthorizedReason.WRONG_PROVIDER))
    assert len(memory) == 1


def test_the_memory_is_bounded_and_forgets_the_oldest():
    memory = RejectedTokens(ManualClock(), limit=2)
    for name in "abc":
        memory.add(name, _refused())
    assert [memory.get(name) is not None for name in "abc"] == [False, True, True]

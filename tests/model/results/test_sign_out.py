import pytest

from amplify_federation import Revocation, SignOutResult


@pytest.mark.parametrize("revocation", Revocation)
def test_a_result_says_what_is_left_to_do_where_something_is(revocation):
    result = SignOutResult(revocation, "what happened")
    left = {Revocation.FAILED, Revocation.NOT_OFFERED}
    assert (result.recovery_suggestion is not None) == (revocation in left)

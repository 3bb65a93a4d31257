import copy
import pickle
import time

import pytest

from amplify_federation._model.settings import MAX_ATTEMPTS, AuthSettings
from amplify_federation.errors import ValidationError
from amplify_federation.testing import ManualClock


def test_the_defaults_are_those_of_the_documents():
    settings = AuthSettings()
    assert (settings.remember_token, settings.expiry_margin) == (True, 10.0)
    assert (settings.refresh_window, settings.timeout) == (300.0, 30.0)
    assert (settings.max_attempts, settings.clock) == (3, time)


@pytest.mark.parametrize("name", ["expiry_margin", "refresh_window", "timeout"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "10", None])
def test_a_duration_is_a_finite_number_of_seconds(name, value):
    with pytest.raises(ValidationError, match=name):
        AuthSettings(**{name: value})


@pytest.mark.parametrize("name", ["expiry_margin", "refresh_window"])
def test_a_margin_may_be_nothing(name):
    assert getattr(AuthSettings(**{name: 0}), name) == 0


def test_a_timeout_is_at_least_a_millisecond():
    assert AuthSettings(timeout=0.001).timeout == 0.001
    with pytest.raises(ValidationError, match="timeout"):
        AuthSettings(timeout=0.0009)


@pytest.mark.parametrize("value", [1, MAX_ATTEMPTS])
def test_there_are_1_to_10_attempts(value):
    assert AuthSettings(max_attempts=value).max_attempts == value


@pytest.mark.parametrize("value", [0, MAX_ATTEMPTS + 1, 1.5, True, "3", None])
def test_other_numbers_of_attempts_are_refused(value):
    with pytest.raises(ValidationError, match="max_attempts"):
        AuthSettings(max_attempts=value)


class _HalfClock:
    def time(self) -> float:
        return 0.0


@pytest.mark.parametrize("clock", [None, 0.0, time.time, _HalfClock()])
def test_a_clock_has_both_hands(clock):
    with pytest.raises(ValidationError, match="monotonic"):
        AuthSettings(clock=clock)


@pytest.mark.parametrize("clock", [time, ManualClock(time=5.0)])
def test_settings_can_be_copied_and_keep_their_clock(clock):
    settings = AuthSettings(timeout=7.0, clock=clock)
    for twin in (copy.copy(settings), copy.deepcopy(settings)):
        assert twin == settings
        assert twin.clock is clock


def test_settings_with_the_default_clock_can_be_pickled():
    settings = AuthSettings(max_attempts=2)
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301  # made a line before


def test_settings_sit_in_a_pydantic_model_that_is_copied():
    pydantic = pytest.importorskip("pydantic")

    class Application(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        auth: AuthSettings = AuthSettings(timeout=9.0)

    assert Application().model_copy(deep=True).auth.timeout == 9.0

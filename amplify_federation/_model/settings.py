"""AuthSettings: the settings of a session, and their bounds."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from attrs import Attribute, field, fields, frozen

from amplify_federation._model.values import Value
from amplify_federation.errors import ValidationError


class Clock(Protocol):
    """Where the time comes from; the `time` module is one."""

    def time(self) -> float:
        """Return the wall clock, in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...


MAX_ATTEMPTS = 10


def _duration(minimum: float) -> "Callable[[object, Attribute[float], float], None]":
    def check(_instance: object, attribute: "Attribute[float]", value: object) -> None:
        # `not (value >= minimum)` also refuses NaN; infinity is refused by name.
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not minimum <= value < float("inf")
        ):
            message = f"`{attribute.name}` must be seconds, at least {minimum:g}."
            raise ValidationError(message)

    return check


def _attempts(_instance: object, _attribute: "Attribute[int]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ATTEMPTS:
        message = f"`max_attempts` must be a whole number from 1 to {MAX_ATTEMPTS}."
        raise ValidationError(message)


def _clock(_instance: object, _attribute: "Attribute[Any]", value: object) -> None:
    if not callable(getattr(value, "time", None)) or not callable(
        getattr(value, "monotonic", None)
    ):
        message = "`clock` must have `time()` and `monotonic()`, as the `time` module has."
        raise ValidationError(message)


@frozen(kw_only=True, eq=False, repr=False)
class AuthSettings(Value):
    """How a session behaves. Durations are float seconds.

    `remember_token`: keep the provider's token, so that credentials can be renewed with it.
    `expiry_margin`: credentials count as over this long before their expiration.
    `refresh_window`: how long before that one caller renews them early.
    `timeout`: the deadline of one whole public call, retries and waits included.
    `max_attempts`: how often one Cognito call is tried (AWS standard mode: 3).
    `clock`: an object with `time()` and `monotonic()`; the `time` module by default.

    Raises `ValidationError` for a value out of bounds.
    """

    remember_token: bool = True
    expiry_margin: float = field(default=10.0, validator=_duration(0.0))
    refresh_window: float = field(default=300.0, validator=_duration(0.0))
    timeout: float = field(default=30.0, validator=_duration(0.001))
    max_attempts: int = field(default=3, validator=_attempts)
    clock: Clock = field(factory=lambda: time, validator=_clock)

    def __reduce__(self) -> "tuple[partial[AuthSettings], tuple[()]]":
        # A module cannot be pickled or copied; the default clock is one.
        given = {each.name: getattr(self, each.name) for each in fields(AuthSettings)}
        if given["clock"] is time:
            del given["clock"]
        return partial(AuthSettings, **given), ()

import copy
import inspect
import pickle
import traceback

import pytest

from amplify_federation import errors
from amplify_federation.errors import (
    AuthError,
    NetworkError,
    NotAuthorizedError,
    NotAuthorizedReason,
    ServiceError,
)

CLASSES = [
    each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, AuthError)
]
ROOTS = {AuthError, ServiceError}  # never raised themselves


def drawn_tree():
    """Return the tree of the docstring: each class with its ancestor."""
    assert errors.__doc__ is not None
    drawing = errors.__doc__.split("\n\n")[1].splitlines()
    parents, path = {}, []
    for line in drawing:
        bare = line[4:]
        depth = len(bare) - len(bare.lstrip("│├└─ "))
        depth = depth // 4
        names = bare.strip("│├└─ ").split("  ")[0].split(", ")
        path[depth:] = [names[-1]]
        for name in names:
            parents[name.strip()] = path[depth - 1] if depth else None
    return parents


def real_tree():
    return {
        each.__name__: None if each is AuthError else each.__bases__[0].__name__ for each in CLASSES
    }


def test_the_tree_in_the_docstring_is_the_real_one():
    assert drawn_tree() == real_tree()


def test_there_is_one_tree():
    assert all(len(each.__bases__) == 1 for each in CLASSES)
    assert len(CLASSES) >= 28


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_needs_nothing_but_a_message(kind):
    error = kind("what happened")
    assert error.message == str(error) == "what happened"
    assert error.args == ("what happened",)
    assert kind.__doc__


@pytest.mark.parametrize("kind", [each for each in CLASSES if each not in ROOTS])
def test_every_error_advises_what_to_do(kind):
    suggestion = kind("x").recovery_suggestion
    assert suggestion
    assert suggestion != AuthError.recovery
    assert suggestion.endswith(".")


@pytest.mark.parametrize("kind", CLASSES)
def test_the_advice_can_be_given_and_stands_below_a_traceback(kind):
    error = kind("what happened", recovery_suggestion="Do this.")
    assert error.recovery_suggestion == "Do this."
    shown = traceback.format_exception_only(error)
    assert shown[-1] == "Do this.\n"


@pytest.mark.parametrize("name", ["amplify_federation.errors"])
@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_says_where_it_comes_from(kind, name):
    assert kind.__module__ == name


def filled(kind):
    error = kind("what happened", recovery_suggestion="Do this.")
    if isinstance(error, ServiceError):
        error = kind(
            "what happened",
            operation="GetId",
            code="X",
            status=400,
            request_id="r-1",
            retryable=True,
            recovery_suggestion="Do this.",
        )
    if isinstance(error, NotAuthorizedError):
        error.reason = NotAuthorizedReason.TOKEN_EXPIRED
    if isinstance(error, NetworkError):
        error.retryable = False
    return error


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickling_with_all_that_it_says(kind, protocol):
    error = filled(kind)
    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301  # our own bytes
    assert type(again) is kind
    assert again.args == error.args
    assert again.__dict__ == error.__dict__


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda error: error.fresh_copy()])
@pytest.mark.parametrize("kind", CLASSES)
def test_a_copy_says_the_same(kind, make):
    error = filled(kind)
    again = make(error)
    assert again is not error
    assert type(again) is kind
    assert again.__dict__ == error.__dict__
    assert again.__notes__ == ["Do this."]


def test_a_fresh_copy_has_no_traceback_and_no_context_but_the_cause():
    cause = ValueError("cause")
    error = AuthError("x")
    error.__cause__, error.__context__ = cause, KeyError("context")
    with pytest.raises(AuthError):
        raise error
    twin = error.fresh_copy()
    assert error.__traceback__ is not None
    assert twin.__traceback__ is None
    assert twin.__context__ is None
    assert twin.__cause__ is cause


def test_the_notes_of_a_copy_are_its_own():
    error = AuthError("x", recovery_suggestion="Do this.")
    error.fresh_copy().add_note("seen in worker 3")
    assert error.__notes__ == ["Do this."]


def test_a_service_error_says_nothing_that_it_does_not_know():
    error = ServiceError("x")
    assert (error.operation, error.code, error.status) == ("", None, 0)
    assert (error.request_id, error.retryable) == (None, False)


def test_a_refusal_of_unknown_reason_says_so():
    assert NotAuthorizedError("x").reason is NotAuthorizedReason.UNKNOWN
    assert str(NotAuthorizedReason.GUESTS_OFF) == "guests_off"

"""Sessions for code without an event loop: Django and Flask under WSGI, Celery, scripts.

    users = BlockingUsers(lambda: FederatedUsers("us-west-2:..."))
    session = users.session_for(token, AuthProvider.GOOGLE)  # in any thread

An event loop runs in a thread of its own, and the calls of all other threads are done there: they
share the sessions, the connections and the renewals as the tasks of an async program do. This file
owns that thread: it starts with the first call, so each process of a server that forks has its own,
and ends with `close()` or the process.
"""

import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from inspect import isawaitable
from typing import Any, Generic, Self, TypeVar, overload

import anyio
import anyio.lowlevel
from anyio.from_thread import BlockingPortal
from attrs import frozen

from amplify_federation import (
    AuthProvider,
    AuthSession,
    FederatedAuth,
    FederatedUsers,
    FederationResult,
    InvalidStateError,
    RefreshGrant,
)

T = TypeVar("T")
R = TypeVar("R")
Providers = AuthProvider | list[AuthProvider] | tuple[AuthProvider, ...]


class _Blocking(Generic[T]):
    """An async object for any number of threads: start, calls, end."""

    def __init__(
        self, make: Callable[[], AbstractAsyncContextManager[T]], *, backend: str = "asyncio"
    ) -> None:
        self._loop = _LoopThread(make, backend)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._loop!r}>"

    def __enter__(self) -> Self:
        self._loop.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End what `make` made, and its event loop; what is stored stays."""
        self._loop.close()

    @overload
    def call(self, work: Callable[[T], Coroutine[Any, Any, R]]) -> R: ...
    @overload
    def call(self, work: Callable[[T], R]) -> R: ...
    def call(self, work: Callable[[T], Any]) -> Any:
        """Call `work` with the async object in its event loop; await and return the result.

        For its other methods, `auth.call(lambda auth: auth.get_current_user())`, and for the
        integrations: `auth.call(boto3_session)` gives a session whose clients any thread may use,
        `users.call(lambda users: boto3_session(users.auth(name)))` one of a user among many.
        """
        return self._loop.call(work)


class BlockingAuth(_Blocking[FederatedAuth]):
    """A `FederatedAuth` for any number of threads. Use it in a `with` block, or call `close()`.

    Args:
        make: makes the session, in the event loop's thread, at the first call.
        backend: the event loop, `asyncio` or `trio`.

    Each call raises what that of `FederatedAuth` does, `InvalidStateError` in a thread in which an
    event loop runs, and at first what `make` raises.
    """

    def federate_to_identity_pool(
        self,
        token: str,
        provider: AuthProvider,
        *,
        developer_provided_identity_id: str | None = None,
        refresh_grant: RefreshGrant | None = None,
    ) -> FederationResult:
        """Exchange a provider's token for an identity and its AWS credentials."""
        work = _federation(token, provider, developer_provided_identity_id, refresh_grant)
        del token  # this frame stands in every traceback from here
        result: FederationResult = self._loop.call(work)
        return result

    def fetch_auth_session(self, *, force_refresh: bool = False) -> AuthSession:
        """Return the session, with credentials that are renewed when they are over."""
        session: AuthSession = self._loop.call(
            lambda auth: auth.fetch_auth_session(force_refresh=force_refresh)
        )
        return session

    def clear_federation_to_identity_pool(self) -> None:
        """Forget the federated session, in memory and in the store."""
        self._loop.call(lambda auth: auth.clear_federation_to_identity_pool())


class BlockingUsers(_Blocking[FederatedUsers]):
    """`FederatedUsers` for any number of threads. Use it in a `with` block, or call `close()`.

    A module of a server may make it when it is imported: nothing starts before the first call.

    Args:
        make: makes the users, in the event loop's thread, at the first call: `FederatedUsers(...)`
            itself, or a function decorated with `asynccontextmanager` that opens a store around it.
        backend: the event loop, `asyncio` or `trio`.

    Each call raises what that of `FederatedUsers` does, `InvalidStateError` in a thread in which an
    event loop runs, and at first what `make` raises.
    """

    def session_for(self, token: str, provider: Providers) -> AuthSession:
        """Return the session of a bearer token; the token is federated once, then recognised."""
        work = _exchange(token, provider)
        del token  # this frame stands in every traceback from here
        session: AuthSession = self._loop.call(work)
        return session

    def sign_out(self, token: str, provider: Providers) -> None:
        """Sign a bearer token out: no process over this store takes it any more."""
        work = _sign_out(token, provider)
        del token  # this frame stands in every traceback from here
        self._loop.call(work)


# Functions of their own: what a lambda uses stands among the variables of the frame that made it.
def _federation(
    token: str,
    provider: AuthProvider,
    identity_id: str | None,
    refresh_grant: RefreshGrant | None,
) -> Callable[[FederatedAuth], Awaitable[FederationResult]]:
    return lambda auth: auth.federate_to_identity_pool(
        token,
        provider,
        developer_provided_identity_id=identity_id,
        refresh_grant=refresh_grant,
    )


def _exchange(
    token: str, provider: Providers
) -> Callable[[FederatedUsers], Awaitable[AuthSession]]:
    return lambda users: users.session_for(token, provider)


def _sign_out(token: str, provider: Providers) -> Callable[[FederatedUsers], Awaitable[None]]:
    return lambda users: users.sign_out(token, provider)


@frozen(eq=False)
class _Running(Generic[T]):
    """An event loop that runs in its thread, and what was opened there."""

    portal: BlockingPortal
    opened: T
    stopped: anyio.Event
    thread: threading.Thread
    process: int

    async def do(self, work: Callable[[T], Any]) -> Any:  # noqa: ANN401  # what `work` returns
        result = work(self.opened)
        return await result if isawaitable(result) else result

    def stop(self) -> None:
        """End the loop once its calls are done, and wait until it has ended."""
        if self.process != os.getpid() or not self.thread.is_alive():
            return
        if self.thread is threading.current_thread():  # that of a loop whose start was interrupted
            self.stopped.set()
            return
        with suppress(RuntimeError):  # it is about to end
            self.portal.start_task_soon(self.stopped.set)
        self.thread.join()


class _LoopThread(Generic[T]):
    """Starts an event loop at the first call, opens what `make` makes there, and does the calls."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]], backend: str) -> None:
        self._make = make
        self._backend = backend
        self._failure: BaseException | None = None  # of closing what was opened
        self._closed = False
        self.forget()
        _all.add(self)

    def __repr__(self) -> str:
        return "closed" if self._closed else "running" if self._running else "not started"

    def forget(self) -> None:
        """Begin anew: a forked child has no such thread, and its lock may stay locked for ever."""
        self._running: _Running[T] | None = None
        self._lock = threading.Lock()

    def call(self, work: Callable[[T], Any]) -> Any:  # noqa: ANN401  # what `work` returns
        running = self.start()
        try:
            answer = running.portal.start_task_soon(running.do, work)
        except RuntimeError:
            raise _closed() from None
        try:
            return answer.result()
        finally:
            answer.cancel()  # if a signal's handler raised, such as that of Ctrl-C

    def start(self) -> _Running[T]:
        _check_no_event_loop()
        with self._lock:
            if self._closed:
                raise _closed()
            if self._running is None:
                self._running = self._started()
                # At the end of the process, too: what is open there is closed.
                weakref.finalize(self, self._running.stop)
            return self._running

    def close(self) -> None:
        with self._lock:
            running, self._running, self._closed = self._running, None, True
        if running is not None:
            running.stop()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _started(self) -> _Running[T]:
        started: Future[_Running[T]] = Future()
        # A daemon: the process must not wait for a loop that ends when the process does.
        name = "amplify-federation event loop"
        thread = threading.Thread(target=self._run, args=(started,), name=name, daemon=True)
        try:
            thread.start()
            return started.result()
        except BaseException:
            started.add_done_callback(_stop)  # if a signal's handler raised: no caller has it
            raise

    def _run(self, started: "Future[_Running[T]]") -> None:
        try:
            anyio.run(self._serve, started, backend=self._backend)
        except BaseException as error:  # noqa: BLE001  # carried to the thread that waits
            if started.done():
                self._failure = error
            else:
                started.set_exception(error)

    async def _serve(self, started: "Future[_Running[T]]") -> None:
        stopped, thread = anyio.Event(), threading.current_thread()
        async with self._make() as opened, BlockingPortal() as portal:
            started.set_result(_Running(portal, opened, stopped, thread, os.getpid()))
            await stopped.wait()


def _stop(started: "Future[_Running[T]]") -> None:
    if started.exception() is None:
        started.result().stop()


_all: "weakref.WeakSet[_LoopThread[Any]]" = weakref.WeakSet()


def _in_child() -> None:
    for each in _all:
        each.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def _closed() -> InvalidStateError:
    message = "This was closed, and its event loop has ended."
    return InvalidStateError(message, recovery_suggestion="Make a new one.")


def _check_no_event_loop() -> None:
    """Raise `InvalidStateError` in a thread with an event loop, which a call would stop."""
    try:
        anyio.lowlevel.current_token()
    except RuntimeError:  # each release of anyio has its own class for it
        return
    message = "A blocking call was made in the thread of a running event loop."
    raise InvalidStateError(
        message,
        recovery_suggestion="Await the calls of `FederatedAuth` or `FederatedUsers` there.",
    )

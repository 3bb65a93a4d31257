import errno
import threading

import anyio
import pytest

from amplify_federation._async.worker_thread import NoThreadError, in_thread, threaded


async def test_a_blocking_function_runs_in_another_thread():
    assert await in_thread(threading.get_ident) != threading.get_ident()


def test_where_no_thread_can_be_started_an_os_error_says_so(run_without_threads):
    with pytest.raises(NoThreadError, match="no further thread") as caught:
        run_without_threads(lambda: in_thread(int))
    assert caught.value.errno == errno.EAGAIN
    assert caught.value.__context__ is None


def test_a_look_up_of_a_name_says_so_too(run_without_threads):
    with pytest.raises(NoThreadError):
        run_without_threads(lambda: threaded(anyio.getaddrinfo("name.invalid", 80)))


async def test_another_error_of_the_function_is_its_own():
    def broken():
        raise RuntimeError("can't do that")

    with pytest.raises(RuntimeError, match="can't do that"):
        await in_thread(broken)

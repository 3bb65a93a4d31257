"""Sessions over one endpoint share its connections."""

import gc

import anyio
import pytest

from amplify_federation._http.lean_sharing import shared_exchange

URL = "http://127.0.0.1:9"


async def test_an_endpoint_has_one_exchange_in_a_loop():
    first = shared_exchange(URL)
    assert shared_exchange(URL) is first
    assert shared_exchange("http://127.0.0.1:10") is not first


async def test_the_last_to_let_go_closes_it_and_the_next_gets_another():
    first, again = shared_exchange(URL), shared_exchange(URL)
    await first.aclose()
    assert shared_exchange(URL) is again
    await again.aclose()
    await again.aclose()
    assert shared_exchange(URL) is not first


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_other_authorities_mean_other_connections(monkeypatch, name):
    before = shared_exchange(URL)
    monkeypatch.setenv(name, "/elsewhere")
    assert shared_exchange(URL) is not before


async def test_it_dies_with_those_who_held_it():
    shared_exchange(URL)
    gc.collect()
    kept = [shared_exchange(URL)]  # made anew, whatever its address
    assert kept[0].holders == 1


def test_another_loop_has_an_exchange_of_its_own(anyio_backend_name):
    async def get():
        return shared_exchange(URL)

    first = anyio.run(get, backend=anyio_backend_name)
    assert anyio.run(get, backend=anyio_backend_name) is not first

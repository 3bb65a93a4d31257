import pytest
import sniffio

from amplify_federation import MemoryStore
from amplify_federation.testing import StoreContract
from amplify_federation.testing._contract.scenario import AnyStore, on_every_backend, refused


class Sample(AnyStore):
    def __init__(self):
        self.seen = []
        self.closed = []

    def make_store(self):
        return MemoryStore()

    async def close_store(self, store):
        self.closed.append(store)

    @on_every_backend
    async def test_sample(self, store, name):
        """Look where we are."""
        self.seen.append((sniffio.current_async_library(), store, name))

    @on_every_backend
    async def test_broken(self, store, name):
        raise LookupError(name)


def test_scenario_runs_on_every_backend_with_a_store_and_a_name_of_its_own():
    sample = Sample()
    sample.test_sample()
    assert [library for library, _, _ in sample.seen] == ["asyncio", "trio"]
    assert sample.closed == [store for _, store, _ in sample.seen]
    assert len({name for _, _, name in sample.seen}) == 2
    assert Sample.test_sample.__doc__ == "Look where we are."


def test_backends_may_be_chosen():
    sample = Sample()
    sample.backends = ("asyncio",)
    sample.test_sample()
    assert len(sample.seen) == 1


def test_backend_that_is_not_installed_is_left_out():
    sample = Sample()
    sample.backends = ("asyncio", "no_such_backend")
    sample.test_sample()
    assert len(sample.seen) == 1


def test_store_is_closed_after_a_failure():
    sample = Sample()
    with pytest.raises(LookupError):
        sample.test_broken()
    assert len(sample.closed) == 1


def test_expected_refusal_that_does_not_come_is_a_failure():
    with pytest.raises(AssertionError, match="LookupError was not raised"), refused(LookupError):
        pass
    with refused(LookupError):
        raise KeyError
    with pytest.raises(ValueError, match="other"), refused(LookupError):
        raise ValueError("other")


def test_contract_without_a_store_says_so():
    with pytest.raises(NotImplementedError):
        StoreContract().test_reads_what_was_written()

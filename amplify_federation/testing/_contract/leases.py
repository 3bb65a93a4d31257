"""What a store promises about leases: one holder at a time, and nobody else kept waiting."""

from amplify_federation import SessionStore
from amplify_federation.errors import StoreLockedError
from amplify_federation.testing._contract.scenario import (
    BRIEFLY,
    MANY,
    AnyStore,
    on_every_backend,
    refused,
)


class LeaseContract(AnyStore):
    """Tests `lock`."""

    @on_every_backend
    async def test_gives_a_lease_to_one_at_a_time(self, store: SessionStore, name: str) -> None:
        """A held lease is refused at once with timeout 0, later otherwise, and then free again."""
        async with store.lock(name, timeout=0):
            for timeout in (0, BRIEFLY):
                with refused(StoreLockedError):
                    async with store.lock(name, timeout=timeout):
                        pass
        async with store.lock(name, timeout=0):
            pass

    @on_every_backend
    async def test_leases_names_apart(self, store: SessionStore, name: str) -> None:
        """A lease on one name is no lease on another."""
        async with store.lock(name, timeout=0), store.lock(f"{name}-other", timeout=0):
            pass

    @on_every_backend
    async def test_lets_others_read_and_write_during_a_lease(
        self, store: SessionStore, name: str
    ) -> None:
        """A lease keeps nobody from the record."""
        async with store.lock(name, timeout=0):
            version = await store.compare_and_set(name, b"one", expected=None)
            assert await store.read(name) is not None
            await store.delete(name, expected=version)

    @on_every_backend
    async def test_frees_the_lease_of_a_holder_that_fails(
        self, store: SessionStore, name: str
    ) -> None:
        """An error inside the lease passes through, and the lease is free."""
        with refused(LookupError):
            async with store.lock(name, timeout=0):
                raise LookupError(name)
        async with store.lock(name, timeout=0):
            pass

    @on_every_backend
    async def test_hands_the_lease_to_a_waiter(self, store: SessionStore, name: str) -> None:
        """Who waits for a lease gets it when the holder leaves, and many never hold it at once."""
        import anyio  # noqa: PLC0415  # 30 ms, for whoever only imports the wing

        holders: list[int] = []
        served: list[int] = []

        async def hold(number: int) -> None:
            async with store.lock(name, timeout=30):
                assert not holders, "two hold the lease"
                holders.append(number)
                await anyio.lowlevel.checkpoint()
                holders.remove(number)
                served.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(MANY):
                tasks.start_soon(hold, number)
        assert sorted(served) == list(range(MANY))

    @on_every_backend
    async def test_forgets_a_waiter_that_was_cancelled(
        self, store: SessionStore, name: str
    ) -> None:
        """A cancelled wait leaves the lease to its holder, and to the next one after."""
        import anyio  # noqa: PLC0415  # 30 ms, for whoever only imports the wing

        async with store.lock(name, timeout=0):
            with anyio.move_on_after(BRIEFLY) as waiting:
                async with store.lock(name, timeout=30):
                    pass
            assert waiting.cancelled_caught, "two hold the lease"
        async with store.lock(name, timeout=0):
            pass

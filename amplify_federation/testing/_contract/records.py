"""What a store promises about records: reading, writing by version, deleting."""

from amplify_federation import SessionStore
from amplify_federation.errors import StoreConflictError
from amplify_federation.testing._contract.scenario import MANY, AnyStore, on_every_backend, refused


class RecordContract(AnyStore):
    """Tests `read`, `compare_and_set` and `delete`."""

    @on_every_backend
    async def test_reads_nothing_where_nothing_was_written(
        self, store: SessionStore, name: str
    ) -> None:
        """There is no record under a new name."""
        assert await store.read(name) is None

    @on_every_backend
    async def test_reads_what_was_written(self, store: SessionStore, name: str) -> None:
        """A record has the bytes and the version of its write."""
        version = await store.compare_and_set(name, b"one", expected=None)
        record = await store.read(name)
        assert record is not None
        assert (record.version, record.data) == (version, b"one")

    @on_every_backend
    async def test_keeps_any_bytes(self, store: SessionStore, name: str) -> None:
        """Neither zero bytes, nor line ends, nor 64 KiB are changed."""
        version = None
        for data in (bytes(range(256)), b"\r\n\n\r", b"\0" * 65_536, b"x"):
            version = await store.compare_and_set(name, data, expected=version)
            record = await store.read(name)
            assert record is not None
            assert record.data == data

    @on_every_backend
    async def test_keeps_names_apart(self, store: SessionStore, name: str) -> None:
        """Names may hold any text of up to 256 characters, and differ in case alone."""
        odd = ("a/b", "a:b", "../a", ".", "A", "a", "a ", "é", "a\n", "a*?", "x" * 200)
        names = [f"{name}{suffix}" for suffix in odd]
        for one in names:
            await store.compare_and_set(one, one.encode(), expected=None)
        for one in names:
            record = await store.read(one)
            assert record is not None
            assert record.data == one.encode()

    @on_every_backend
    async def test_replaces_the_expected_version(self, store: SessionStore, name: str) -> None:
        """A write that knows the version replaces the record and gives it another version."""
        first = await store.compare_and_set(name, b"one", expected=None)
        second = await store.compare_and_set(name, b"two", expected=first)
        record = await store.read(name)
        assert record is not None
        assert (record.version, record.data) == (second, b"two")
        assert second != first

    @on_every_backend
    async def test_refuses_a_write_that_expects_another_version(
        self, store: SessionStore, name: str
    ) -> None:
        """A write that missed a write in between changes nothing."""
        with refused(StoreConflictError):
            await store.compare_and_set(name, b"lost", expected="no such version")
        assert await store.read(name) is None
        first = await store.compare_and_set(name, b"one", expected=None)
        await store.compare_and_set(name, b"two", expected=first)
        for stale in (first, None):
            with refused(StoreConflictError):
                await store.compare_and_set(name, b"lost", expected=stale)
        record = await store.read(name)
        assert record is not None
        assert record.data == b"two"

    @on_every_backend
    async def test_lets_one_of_many_racing_writers_win(
        self, store: SessionStore, name: str
    ) -> None:
        """Of many writes that expect the same version, one succeeds and the others know."""
        import anyio  # noqa: PLC0415  # 30 ms, for whoever only imports the wing

        won: list[bytes] = []
        lost: list[bytes] = []

        async def write(data: bytes) -> None:
            try:
                await store.compare_and_set(name, data, expected=None)
            except StoreConflictError:
                lost.append(data)
            else:
                won.append(data)

        async with anyio.create_task_group() as tasks:
            for number in range(MANY):
                tasks.start_soon(write, b"%d" % number)
        record = await store.read(name)
        assert record is not None
        assert (won, len(lost)) == ([record.data], MANY - 1)

    @on_every_backend
    async def test_deletes_the_expected_version(self, store: SessionStore, name: str) -> None:
        """A deleted record is gone, and the next one has a version that was never used."""
        first = await store.compare_and_set(name, b"one", expected=None)
        await store.delete(name, expected=first)
        assert await store.read(name) is None
        second = await store.compare_and_set(name, b"two", expected=None)
        assert second != first
        await store.delete(name, expected=None)
        assert await store.read(name) is None

    @on_every_backend
    async def test_deletes_nothing_without_complaint(self, store: SessionStore, name: str) -> None:
        """No record is no error."""
        await store.delete(name, expected=None)
        version = await store.compare_and_set(name, b"one", expected=None)
        await store.delete(name, expected=version)
        await store.delete(name, expected=version)

    @on_every_backend
    async def test_refuses_to_delete_another_version(self, store: SessionStore, name: str) -> None:
        """A delete that missed a write in between deletes nothing."""
        first = await store.compare_and_set(name, b"one", expected=None)
        await store.compare_and_set(name, b"two", expected=first)
        with refused(StoreConflictError):
            await store.delete(name, expected=first)
        record = await store.read(name)
        assert record is not None
        assert record.data == b"two"

    @on_every_backend
    async def test_shows_a_write_to_another_handle(self, store: SessionStore, name: str) -> None:
        """Two stores over the same records see each other's writes."""
        other = self.make_store()
        try:
            assert await other.read(name) is None
            first = await store.compare_and_set(name, b"one", expected=None)
            second = await other.compare_and_set(name, b"two", expected=first)
            record = await store.read(name)
            assert record is not None
            assert (record.version, record.data) == (second, b"two")
        finally:
            await self.close_store(other)

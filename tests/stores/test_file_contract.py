"""The promises of every store, kept by the stores of this package."""

from functools import cached_property

import pytest

from amplify_federation.stores._file_records import FileRecords
from amplify_federation.stores.file import EncryptedFileStore
from amplify_federation.stores.memory import MemoryStore
from amplify_federation.stores.sealed import Sealed
from amplify_federation.testing import StoreContract


class TestEncryptedFileStore(StoreContract):
    kind = EncryptedFileStore

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "store"

    def make_store(self):
        return self.kind(self.folder)


class TestFileRecords(TestEncryptedFileStore):
    kind = FileRecords


class TestSealedMemory(StoreContract):
    @cached_property
    def backend(self):
        return MemoryStore()

    def make_store(self):
        return Sealed(self.backend, key=bytes(32))

from functools import cached_property

from amplify_federation import MemoryStore
from amplify_federation.testing import StoreContract


class TestMemoryStore(StoreContract):
    @cached_property
    def _only(self):
        return MemoryStore()

    def make_store(self):
        return self._only

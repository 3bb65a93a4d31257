"""StoreContract: what every `SessionStore` promises, as a test class to subclass.

class TestMyStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make_store(self):
        return MyStore(self.folder)
"""

from amplify_federation.testing._contract.leases import LeaseContract
from amplify_federation.testing._contract.records import RecordContract


class StoreContract(RecordContract, LeaseContract):
    """Tests the promises of `SessionStore`; subclass it and write `make_store`.

    `make_store()` returns a store, is called with the event loop running, and several times in a
    test: each call must reach the same records. `close_store(store)`, async, closes what it
    opened. `backends` are the event loops that each test runs on, as far as they are installed.
    """

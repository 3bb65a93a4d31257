"""The public transport: what its module gives."""

import httpx

from amplify_federation import transport


def test_the_module_gives_the_transport_and_tells_which_one_is_used(monkeypatch):
    assert set(transport.__all__) == {"LeanTransport", "failure_at", "transport_for"}
    assert issubclass(transport.LeanTransport, httpx.AsyncBaseTransport)
    monkeypatch.setenv("AMPLIFY_FEDERATION_TRANSPORT", "lean")
    assert transport.transport_for("https://cognito.test") == "LeanTransport"

"""Which authorities the lean path trusts."""

import ssl
import threading
from pathlib import Path

import certifi
import pytest

from amplify_federation._http import lean_tls
from amplify_federation._http.lean_tls import shared_tls_context


@pytest.fixture(autouse=True)
def nothing_built(monkeypatch):
    monkeypatch.setattr(lean_tls, "_built", {})
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


async def test_the_context_is_built_once_and_off_the_loop(monkeypatch):
    threads = []
    build = lean_tls._build

    def watched(*args):
        threads.append(threading.current_thread())
        return build(*args)

    monkeypatch.setattr(lean_tls, "_build", watched)
    assert await shared_tls_context() is await shared_tls_context()
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


async def test_servers_are_checked_against_certifis_authorities():
    context = await shared_tls_context()
    expected = ssl.create_default_context(cafile=certifi.where())
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == len(expected.get_ca_certs()) > 0


@pytest.fixture
def one_authority(tmp_path):
    bundle = Path(certifi.where()).read_text()
    end = "-----END CERTIFICATE-----\n"
    file = tmp_path / "one.pem"
    file.write_text(bundle[: bundle.index(end) + len(end)])
    return file


async def test_ssl_cert_file_replaces_the_authorities(monkeypatch, one_authority):
    await shared_tls_context()  # what was built for other variables does not serve
    monkeypatch.setenv("SSL_CERT_FILE", str(one_authority))
    assert len((await shared_tls_context()).get_ca_certs()) == 1


async def test_ssl_cert_dir_replaces_the_authorities(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert (await shared_tls_context()).get_ca_certs() == []


async def test_a_bundle_that_cannot_be_read_is_an_os_error(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(OSError):
        await shared_tls_context()

"""S3 by moto over loopback, that remembers who signed what."""

import re
import threading
from typing import NamedTuple

import pytest


class Signed(NamedTuple):
    """A request as S3 saw it."""

    path: str
    access_key_id: str
    session_token: str


class RecordingS3:
    """S3 by moto, started and stopped by `with`."""

    def __init__(self):
        serving = pytest.importorskip("werkzeug.serving")
        moto_server = pytest.importorskip("moto.server")
        self._app = moto_server.DomainDispatcherApplication(moto_server.create_backend_app)
        self.seen = []
        self._server = serving.make_server("127.0.0.1", 0, self._serve, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def signers(self):
        return [each.access_key_id for each in self.seen]

    def _serve(self, environ, start_response):
        found = re.search(r"Credential=(\w+)/", environ.get("HTTP_AUTHORIZATION", ""))
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
        self.seen.append(Signed(environ["PATH_INFO"], found[1] if found else "", token))
        return self._app(environ, start_response)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

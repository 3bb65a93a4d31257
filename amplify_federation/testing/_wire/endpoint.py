"""The AWS JSON 1.1 endpoint: an HTTP request in, an HTTP answer and a `Call` out.

This file owns the protocol; it must not know pools, tokens or identities.
"""

import json
import re
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from email.utils import formatdate
from typing import Any

from attrs import evolve

from amplify_federation.testing._service import refusal
from amplify_federation.testing._service.operations import Operations
from amplify_federation.testing._service.refusal import Refusal
from amplify_federation.testing._service.shapes import OPERATIONS, decode
from amplify_federation.testing._wire.faults import Fault, Faults, Quotas
from amplify_federation.testing._wire.issuer_pages import issuer_page
from amplify_federation.testing._wire.messages import Call, WireAnswer, WireRequest

CONTENT_TYPE = "application/x-amz-json-1.1"
TARGET_PREFIX = "AWSCognitoIdentityService."
_UNKNOWN_BODY = b"<UnknownOperationException/>\n"
_BAD_REQUEST = 400  # what client errors come with on the wire, whatever the model says
_FAULT_STATUS = {"InternalErrorException": 500, "ServiceUnavailableException": 503}
# The hosts that the published rules give for `cognito-identity`.
ENDPOINT_HOST = re.compile(r"cognito-identity(?:-fips)?\.([a-z0-9-]+)\.[a-z0-9.-]+", re.ASCII)
_NO_FAULT = Fault(None)


class Endpoint:
    """Answers requests one at a time, whatever thread they come from."""

    def __init__(
        self,
        operations: Operations,
        quotas: Quotas,
        lock: AbstractContextManager[object],
        record: Callable[[Call], None],
    ) -> None:
        self.faults = Faults()
        self._lock = lock
        self._operations = operations
        self._quotas = quotas
        self._record = record
        self._date = (0, "")

    def answer(self, request: WireRequest) -> WireAnswer:
        """Return the answer of the service."""
        with self._lock:
            if request.method == "GET" and (page := issuer_page(request)):
                return self._stamped(200, "application/json", json.dumps(page).encode())
            content_type = request.headers.get("content-type", "")
            if request.method != "POST" or content_type.partition(";")[0].strip() != CONTENT_TYPE:
                return self._stamped(404, "application/xml", _UNKNOWN_BODY)
            return self._call(request)

    def _call(self, request: WireRequest) -> WireAnswer:
        target = request.headers.get("x-amz-target", "")
        operation = target.removeprefix(TARGET_PREFIX) if target.startswith(TARGET_PREFIX) else ""
        fault = self.faults.take(operation) or _NO_FAULT
        given: dict[str, Any] | None = None
        code: str | None = None
        try:
            given = self._decoded(operation, request.body)
            if fault.code is None and fault.status is not None:
                answer = self._foreign_page(fault.status)
            else:
                region = region_of(request.host)
                answer = self._success(self._perform(operation, given, fault, region))
        except Refusal as refused:
            code = refused.code
            answer = self._failure(refused)
        if fault is not _NO_FAULT:
            answer = _altered(answer, fault)
        request_id = answer.headers.get("x-amzn-requestid")
        call = Call(
            operation,
            given,
            request.headers,
            answer.status,
            code,
            request_id,
            cut=fault.cut_connection,
        )
        self._record(call)
        return answer

    def _decoded(self, operation: str, body: bytes) -> dict[str, Any] | None:
        """Return the input of a known operation; one of an unknown operation is not looked at."""
        return decode(body) if operation in OPERATIONS else None

    def _perform(
        self, operation: str, given: dict[str, Any] | None, fault: Fault, region: str | None
    ) -> dict[str, Any]:
        if given is None:
            raise Refusal(refusal.UNKNOWN_OPERATION)
        if not self._quotas.allow(operation):
            raise Refusal(refusal.THROTTLED, refusal.RATE_EXCEEDED)
        if fault.code is not None:
            raise Refusal(fault.code, fault.message or f"Injected {fault.code}.")
        return self._operations.perform(operation, given, region)

    def _success(self, output: dict[str, Any]) -> WireAnswer:
        return self._stamped(200, CONTENT_TYPE, json.dumps(output).encode())

    def _foreign_page(self, status: int) -> WireAnswer:
        """Return what a proxy says in the service's place."""
        page = self._stamped(status, "text/html", f"<html><h1>{status}</h1></html>\n".encode())
        del page.headers["x-amzn-requestid"]
        return page

    def _failure(self, refused: Refusal) -> WireAnswer:
        body = {"__type": refused.code}
        if refused.message is not None:
            body["message"] = refused.message
        status = _FAULT_STATUS.get(refused.code, _BAD_REQUEST)
        answer = self._stamped(status, CONTENT_TYPE, json.dumps(body).encode())
        return evolve(answer, headers={**answer.headers, "x-amzn-errortype": f"{refused.code}:"})

    def _stamped(self, status: int, content_type: str, body: bytes) -> WireAnswer:
        now = int(self._operations.clock.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        headers = {
            "content-type": content_type,
            "content-length": str(len(body)),
            "date": self._date[1],
            "x-amzn-requestid": str(uuid.uuid4()),
        }
        return WireAnswer(status, headers, body)


def region_of(host: str) -> str | None:
    """Return the region whose endpoint a host is, or `None` for any other host."""
    found = ENDPOINT_HOST.fullmatch(host)
    return found and found[1]


def _altered(answer: WireAnswer, fault: Fault) -> WireAnswer:
    headers = answer.headers
    if fault.retry_after_ms is not None:
        headers = {**headers, "x-amz-retry-after": str(fault.retry_after_ms)}
    return evolve(
        answer,
        headers=headers,
        status=fault.status or answer.status,
        delay=fault.delay,
        cut=fault.cut_connection,
    )

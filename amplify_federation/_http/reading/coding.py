"""The content coding of an answer, undone within bounds.

Identity was asked for; a proxy that compresses all the same is understood, a bomb is not: httpx
would inflate each 64 KiB of it to 64 MiB at once. This file must not know how an answer came.
"""

import zlib

from amplify_federation._cognito.exchange import MAX_BODY


class UndecodableError(Exception):
    """The coding cannot be undone; the text says why and holds nothing of the answer."""


def plain(coding: str | None, body: bytes) -> bytes | None:
    """Return the body without its coding, or `None` if it is over the cap before or after.

    Raises `UndecodableError`.
    """
    if len(body) > MAX_BODY:
        return None
    coding = (coding or "identity").strip().lower()
    if coding == "identity":
        return body
    if coding not in {"gzip", "x-gzip", "deflate"}:
        message = "the answer has a content coding that was not asked for"
        raise UndecodableError(message)
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # a gzip or a zlib header
    try:
        inflated = inflater.decompress(body, MAX_BODY + 1)
    except zlib.error:
        inflated = None
    if inflated is not None and len(inflated) > MAX_BODY:
        return None
    if inflated is None or not inflater.eof:
        message = "the content coding of the answer is broken"
        raise UndecodableError(message)
    return inflated

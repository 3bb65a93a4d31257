"""ServerClock: the time on Cognito's clock.

Expirations are on the server's clock; the local one may be wrong by minutes or days. The offset is
learned from the `Date` header of Cognito's answers.
"""

from datetime import UTC

from amplify_federation._model.settings import Clock

_JUMP = 60.0  # seconds by which wall and monotonic clock may differ before the offset is unknown
_NOISE = 2.0  # seconds: the header counts whole seconds, and the answer took time to arrive


class ServerClock:
    """A local clock, corrected by what the newest answer said."""

    __slots__ = ("_ahead", "_date", "_server", "local", "offset")

    def __init__(self, local: Clock) -> None:
        self.local = local
        self.offset = 0.0
        self._date: str = ""  # the last header, parsed into the next: it changes once a second
        self._server = 0.0
        self._ahead = 0.0  # monotonic minus server time, when that was learned

    @property
    def is_known(self) -> bool:
        """Whether the server's time was learned, and the local clock ran evenly since then."""
        drift = self.monotonic() - self.now() - self._ahead
        return bool(self._date) and abs(drift) < _JUMP

    def now(self) -> float:
        """Return epoch seconds on the server's clock."""
        return self.local.time() + self.offset

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return self.local.monotonic()

    def learn(self, date_header: str | None) -> None:
        """Take the `Date` header of an answer for the server's present."""
        if not date_header:
            return
        if date_header != self._date:
            from email.utils import parsedate_to_datetime  # noqa: PLC0415  # 5 ms of a restart

            try:
                date = parsedate_to_datetime(date_header)
                # Without a zone it would be taken for this machine's.
                self._server = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
            except (ValueError, TypeError, OverflowError):
                return
            self._date = date_header
        offset = self._server - self.local.time()
        self.offset = 0.0 if abs(offset) < _NOISE else offset
        self._ahead = self.monotonic() - self.now()

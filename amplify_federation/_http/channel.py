"""Channel: Cognito on the other end of a line, as one session talks to it.

This file keeps what a call needs out of a process that makes none: one that restarts with a stored
session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from amplify_federation._cognito.answers import Answer
    from amplify_federation._cognito.flow import Flow
    from amplify_federation._http.line import Line
    from amplify_federation._http.server_clock import ServerClock
    from amplify_federation.errors import AuthError


class Channel:
    """What a session's conversations have in common."""

    __slots__ = ("clock", "line", "max_attempts")

    def __init__(self, line: Line, clock: ServerClock, max_attempts: int) -> None:
        self.line = line
        self.clock = clock
        self.max_attempts = max_attempts

    def converse(self, flow: Flow) -> Awaitable[Answer | AuthError]:
        """Drive a flow to its end; return its answer, or the error that it ended with."""
        from amplify_federation._http.conversation import (  # noqa: PLC0415  # see above
            Conversation,
        )

        return Conversation(self.line, self.clock, self.max_attempts).hold(flow)

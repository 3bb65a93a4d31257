"""One scene of the demonstration: what was done, what it cost, what came of it.

This file must not know how a scene is played or printed.
"""

from typing import Any

from attrs import field, frozen


@frozen
class Scene:
    """A step that was done. `facts` are for the reader, `data` for programs; no secret in either.

    `did` is the line of code that did it; `calls` are the operations that Cognito was asked for;
    `promises` are what this step shows, each with whether it held.
    """

    title: str
    why: str
    did: str = ""
    calls: tuple[str, ...] | None = None  # None: a step that has nothing to do with Cognito
    state: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    promises: tuple[tuple[str, bool], ...] = ()
    data: dict[str, Any] = field(factory=dict[str, Any])

    @property
    def kept(self) -> bool:
        """Whether everything held that this step promises."""
        return all(held for _, held in self.promises)

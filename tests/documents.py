"""The documents of the project and their code blocks."""

import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (ROOT, *(ROOT / name for name in ("amplify_federation", "tests", "benchmarks")))
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A code block of a document; `line` is that of its first line."""

    document: str
    line: int
    language: str
    code: str

    @property
    def file_name(self) -> str | None:
        """Return the name in a first line such as `# backend.py`, for a block that is a file."""
        named = re.match(r"# (\w+\.py)\n", self.code)
        return named.group(1) if named else None


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks_of(document: str, language: str) -> list[Block]:
    text = text_of(document)
    return [
        Block(document, text.count("\n", 0, found.start()) + 2, found.group(1), found.group(2))
        for found in _FENCED.finditer(text)
        if found.group(1) == language
    ]


def file_of(document: str, name: str) -> str:
    """Return the block of a document that begins with a comment of its file's name."""
    (code,) = [each.code for each in blocks_of(document, "python") if each.file_name == name]
    return code


def command_of(line: str) -> list[str]:
    """Return a command of a document, with this environment's programs for those of `.venv`."""
    own = f"{Path(sys.executable).parent}/"
    return [re.sub(r"^\.venv/bin/", own, word) for word in shlex.split(line)]


def prose_of(document: str) -> str:
    """Return a document without its code blocks."""
    return _FENCED.sub("", text_of(document))

"""Sizes beyond what reads well, as advice: nothing fails because of them."""

import ast
from collections import Counter
from pathlib import Path

HOUSE = Path(__file__).parents[1] / "amplify_federation"
MODULE, CLASS, FUNCTION, FOLDER = 300, 150, 40, 12  # lines, lines, lines of a body, modules


def advice() -> list[str]:
    """Return a line for each module, class, function and folder that is larger than advised."""
    lines = []
    folders: Counter[Path] = Counter()
    for path in sorted(HOUSE.rglob("*.py")):
        name = path.relative_to(HOUSE)
        folders[name.parent] += path.name != "__init__.py"
        text = path.read_text(encoding="utf-8")
        length = text.count("\n")
        if length > MODULE:
            lines.append(f"{name}: {length} lines (advised: {MODULE})")
        for node in ast.walk(ast.parse(text)):
            size = _size(node)
            if size:
                lines.append(f"{name}:{node.lineno} {node.name}: {size}")
    lines += [f"{folder}/: {count} modules" for folder, count in folders.items() if count > FOLDER]
    return lines


def _size(node: ast.AST) -> str | None:
    if isinstance(node, ast.ClassDef):
        length = (node.end_lineno or 0) - node.lineno + 1
        return f"a class of {length} lines (advised: {CLASS})" if length > CLASS else None
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        body = node.body[1:] if ast.get_docstring(node) else node.body
        length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
        return f"a body of {length} lines (advised: {FUNCTION})" if length > FUNCTION else None
    return None

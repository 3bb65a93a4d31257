"""The README is true: its Python runs, its commands are what CI runs, its table is right."""

import ast
import asyncio
import inspect
import re
from pathlib import Path

import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
POOL_ID = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
USERS = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")


def blocks(language: str) -> list[tuple[int, str]]:
    """Return the code blocks of a language, each with its line in the README."""
    found = re.finditer(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [(README.count("\n", 0, match.start()) + 2, match.group(1)) for match in found]


def is_for_pytest(code: str) -> bool:
    return "def test_" in code or "pytest" in code


EXAMPLES = [
    pytest.param(line, code, id=f"line {line}")
    for line, code in blocks("python")
    if not is_for_pytest(code) and "FastAPI" not in code
]


async def run(code: str, line: int, names: dict[str, object]) -> None:
    """Run a block as `python -m asyncio` would."""
    padded = "\n" * (line - 1) + code
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    compiled = compile(padded, "README.md", "exec", flags=flags, dont_inherit=True)
    outcome = eval(compiled, names)  # noqa: S307  # the README's own code
    if inspect.isawaitable(outcome):
        await outcome


@pytest.mark.parametrize(("line", "code"), EXAMPLES)
def test_an_example_of_the_readme_runs(line, code, monkeypatch):
    fake = FakeCognito()
    providers = {
        AuthProvider.GOOGLE: ["google"], AuthProvider.FACEBOOK: ["app"], USERS: ["users"],
    }  # fmt: skip
    pool_id = fake.create_identity_pool(providers, guest_access=True)

    async def refreshed_google_token(_reason):
        return fake.issue_token(AuthProvider.GOOGLE, "alice")

    names = {
        "google_id_token": fake.issue_token(AuthProvider.GOOGLE, "alice"),
        "facebook_access_token": fake.issue_token(AuthProvider.FACEBOOK, "alice"),
        "user_pool_id_token": fake.issue_token(USERS, "alice"),
        "refreshed_google_token": refreshed_google_token,
        "__name__": "__main__",
    }

    async def main():
        async with fake.serve() as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", url)
            await run(code.replace(POOL_ID, pool_id), line, names)

    asyncio.run(main())


def test_the_first_two_commands_are_the_demo_and_the_tests():
    (_, demo), (_, tests) = blocks("sh")[:2]
    assert demo.strip().endswith("amplify-federation demo")
    assert "bin/pytest" in tests
    assert "grep -m1 'bin/pytest' README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_link_within_the_readme_leads_somewhere():
    headings = re.findall(
        r"^#+ (.*)$",
        re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL),
        re.MULTILINE,
    )
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors

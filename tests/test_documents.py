"""The documents are true: their Python runs, their JSON is JSON, their links lead somewhere."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito
from tests.documents import DOCUMENTS, ROOT, blocks_of, file_of, prose_of, text_of

PASTED = ("README.md", "amplify_federation/README.md")  # see `test_readme_console`
# Those whose blocks have tests of their own, beside what they describe.
APART = {
    f"amplify_federation/{folder}/README.md"
    for folder in ("_oidc", "cli", "integrations", "stores", "testing")
}


def test_no_python_of_a_document_is_left_untested():
    for document in set(DOCUMENTS) - set(APART) - set(PASTED):
        assert all(each.file_name for each in blocks_of(document, "python")), document


def test_the_test_files_of_the_documents_pass(tmp_path):
    for document in set(DOCUMENTS) - set(APART):
        for block in blocks_of(document, "python"):
            if block.file_name is not None:
                assert not (tmp_path / block.file_name).exists(), block
                (tmp_path / block.file_name).write_text(block.code, encoding="utf-8")
    # Of our own settings only what the examples say; and warnings count.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:randomly"],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_ADDOPTS": "-o asyncio_default_fixture_loop_scope=function"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS)
def test_json_in_a_document_is_json(document):
    for block in blocks_of(document, "json"):
        json.loads(block.code)


def anchors_of(document):
    headings = re.findall(r"^#+ (.*)$", prose_of(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    here = ROOT / document
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(document)):
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = (here.parent / path).resolve() if path else here
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target.relative_to(ROOT).as_posix()), link


def test_the_readme_shows_on_a_package_index_and_repeats_measured_figures():
    readme = text_of("README.md")
    assert not re.search(r"!\[[^\]]*\]\((?!https:)", readme)  # an index shows no relative image
    speed = readme.partition("## Speed")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|.*\|$", speed, re.MULTILINE)
    assert len(rows) > 2
    measured = text_of("benchmarks/README.md").splitlines()
    assert [row for row in rows if row not in measured] == []


def test_every_variable_that_the_package_reads_is_in_the_table_of_the_guide():
    name = re.compile(r"\bAMPLIFY_FEDERATION_([A-Z_]+)\b")
    package = ROOT / "amplify_federation"
    read = {
        each
        for path in package.rglob("*.py")
        if "testing" not in path.parts
        for each in name.findall(path.read_text(encoding="utf-8"))
    }
    rows = re.findall(r"^\| (`.*?) \|", text_of("amplify_federation/README.md"), re.MULTILINE)
    shown = {each for row in rows if name.search(row) for each in re.findall(r"_([A-Z_]+)`", row)}
    shown = {each.removeprefix("FEDERATION_") for each in shown}
    of_fake_cognito = {"CONTROL_URL", "CONTROL_TOKEN"}  # it sets them, and asks them of itself
    of_click = {"COMPLETE"}  # see the text on completion in the command's help
    assert read - of_fake_cognito - of_click <= shown


def test_every_extra_is_in_the_table_of_the_guide():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    extras = project["optional-dependencies"].keys() - {"bench", "dev"}
    guide = text_of("amplify_federation/README.md")
    table = guide.partition("## Extras")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert extras == {each for row in rows for each in re.findall(r"`(\w+)`", row)}
    needed = {re.match(r"[\w-]+", each)[0] for each in project["dependencies"]}
    assert all(each in table for each in needed)


def test_a_profile_names_its_credential_process_by_an_absolute_path():
    shown = "".join(map(text_of, [*DOCUMENTS, "amplify_federation/cli/credentials.py"]))
    commands = re.findall(r"credential_process = (\S+)", shown)
    assert len(commands) > 1
    assert all(each.startswith("/") for each in commands)


def test_the_first_two_commands_are_the_demo_and_the_tests():
    demo, tests = [each.code for each in blocks_of("README.md", "sh")[:2]]
    assert demo.strip().endswith("amplify-federation demo")
    assert "bin/pytest" in tests
    assert "grep -m1 'bin/pytest' README.md" in text_of(".ci/run")


def test_the_backend_of_the_readme_serves_its_users(tmp_path, monkeypatch):
    from starlette.testclient import TestClient  # noqa: PLC0415  # an extra

    fake = FakeCognito()
    with fake.serve() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY", url)
        monkeypatch.setenv("AMPLIFY_FEDERATION_POOL_ID", fake.create_identity_pool())
        names: dict[str, object] = {}
        exec(file_of("README.md", "app.py"), names)  # noqa: S102  # the README's own code
        with TestClient(names["app"]) as browser:
            token = fake.issue_token(AuthProvider.GOOGLE, "alice")
            answers = [
                browser.get("/me", headers={"Authorization": f"Bearer {token}"}) for _ in range(3)
            ]
            assert [answer.status_code for answer in answers] == [200, 200, 200]
            assert len(fake.calls) == 2  # one federation
            refused = browser.get("/me", headers={"Authorization": "Bearer nonsense"})
            assert refused.status_code == 401


def test_messages_of_the_troubleshooting_are_those_of_the_code():
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "amplify_federation").rglob("*.py")
    ).lower()
    text = text_of("amplify_federation/TROUBLESHOOTING.md")
    for message in re.findall(r'^\| "([^"]+)"', text, re.MULTILINE):
        assert message.lower() in source, message
    for name in re.findall(r"^\| `(\w+Error)`", text, re.MULTILINE):
        assert f"class {name.lower()}" in source

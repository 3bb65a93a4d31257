"""Each example of the README is a module; it is run as its reader would."""

import importlib.util
import re
import threading
from functools import partial

import anyio
import httpx
import pytest

from amplify_federation import (
    AuthSettings,
    FederatedAuth,
    MemoryStore,
    SignedOut,
    errors,
    sign_in,
)
from tests.documents import blocks_of, file_of, text_of
from tests.oidc.kit import CLIENT, GOOGLE, HOUR, ISSUER, Person

README = "amplify_federation/_oidc/README.md"
RUN = {"desktop.py", "script.py", "notebook.py", "goodbye.py", "own_tokens.py"}


@pytest.fixture
def example(tmp_path, monkeypatch, world):
    """Load an example, whose calls go to the world."""

    def load(name, person=None):
        path = tmp_path / name
        path.write_text(file_of(README, name), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if hasattr(module, "sign_in"):
            named = {"http_client": world.http}
            if person is not None:
                named |= {"prompt": person.tell, "device": False}
            monkeypatch.setattr(module, "sign_in", partial(sign_in, **named))
        return module

    return load


def test_every_example_is_run():
    assert {block.file_name for block in blocks_of(README, "python")} == RUN


async def test_a_desktop_program_asks_its_user_once(world, example, monkeypatch):
    person, store = Person(world), MemoryStore()
    program = example("desktop.py", person)
    monkeypatch.setattr(program, "FederatedAuth", lambda _pool: world.auth(store))
    async with anyio.create_task_group() as group:
        group.start_soon(person.act)
        first = await program.credentials(world.pool, CLIENT)
    world.fake.advance(30 * 24 * HOUR)
    monkeypatch.delattr(program, "sign_in")
    second = await program.credentials(world.pool, CLIENT)
    assert first.keys() == second.keys()
    assert first["aws_access_key_id"] != second["aws_access_key_id"]


async def test_a_script_signs_in_without_an_event_loop(world, example, monkeypatch):
    person = Person(world)
    program, told = example("script.py"), threading.Event()

    def show(prompt):
        person.prompt = prompt
        told.set()

    # A client of its own: the script's event loop is another.
    client = httpx.AsyncClient(transport=world.fake.transport)
    monkeypatch.setattr(
        program,
        "sign_in",
        partial(sign_in, http_client=client, prompt=show, device=False),
    )
    monkeypatch.setattr(
        program,
        "FederatedAuth",
        partial(FederatedAuth, store=MemoryStore(), http_client=client, settings=world.settings),
    )

    async def act():
        await anyio.to_thread.run_sync(told.wait)
        person.told.set()
        await person.act()

    async with anyio.create_task_group() as group:
        group.start_soon(act)
        session = await anyio.to_thread.run_sync(program.session, world.pool, CLIENT)
    assert session.is_signed_in


async def test_a_notebook_shows_a_code(world, example, capsys):
    world.fake.set_up_provider(GOOGLE, device_interval=0.01)
    program, person = example("notebook.py"), Person(world)
    show = program.show

    async def both(prompt):
        await show(prompt)
        person.tell(prompt)

    program.show = both
    async with anyio.create_task_group() as group:
        group.start_soon(person.act)
        signed = await program.in_a_notebook(CLIENT)
    assert signed.provider == GOOGLE
    assert person.prompt.user_code in capsys.readouterr().out


async def test_goodbye_says_what_came_of_it(world, example):
    async with world.auth(MemoryStore()) as auth:
        assert "no refresh token" in await example("goodbye.py").goodbye(auth)
        assert auth.state == SignedOut()


async def test_own_refresh_tokens_are_saved(world, example, monkeypatch):
    async with anyio.create_task_group() as group:
        person = Person(world)
        group.start_soon(person.act)
        signed = await sign_in(
            issuer=ISSUER,
            client_id=CLIENT,
            device=False,
            prompt=person.tell,
            http_client=world.http,
        )
    saved = []

    async def save(refresh_token):
        saved.append(refresh_token)

    program = example("own_tokens.py")
    monkeypatch.setattr(
        program, "OidcTokenSource", partial(program.OidcTokenSource, http_client=world.http)
    )
    monkeypatch.setattr(
        program,
        "FederatedAuth",
        partial(
            FederatedAuth,
            store=MemoryStore(),
            http_client=world.http,
            settings=AuthSettings(clock=world.clock),
        ),
    )
    token = signed.refresh_grant.refresh_token
    async with program.session_of(world.pool, CLIENT, token, save) as auth:
        await auth.federate_to_identity_pool(signed.id_token, signed.provider)
        world.fake.advance(2 * HOUR)
        assert (await auth.fetch_auth_session()).is_signed_in
    assert len(saved) == 1


def test_the_errors_of_the_table_exist():
    rows = text_of(README).partition("## When it does not work")[2].splitlines()
    named = [set(re.findall(r"`(\w+Error)`", row.split("|")[2])) for row in rows if "Error`" in row]
    assert len(named) > 8
    assert all(names and names <= set(dir(errors)) for names in named)

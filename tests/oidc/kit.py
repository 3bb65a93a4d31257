"""A provider, its client, and a person who signs in on its pages as a browser would."""

import html
import re

import anyio
import httpx

from amplify_federation import AuthError, AuthProvider, AuthSettings, FederatedAuth, sign_in
from amplify_federation.testing import FakeCognito, ManualClock

GOOGLE = AuthProvider.GOOGLE
ISSUER = "https://accounts.google.com"
CLIENT = "desktop-client"
HOUR = 3600.0


class World:
    """An identity pool that takes the ID tokens of one client, and the client's way there."""

    def __init__(self) -> None:
        self.clock = ManualClock(time=1_800_000_000.0)
        self.fake = FakeCognito(clock=self.clock)
        self.pool = self.fake.create_identity_pool({GOOGLE: [CLIENT]})
        # Google's stay good; a refresh token that is replaced is the harder case.
        self.fake.set_up_provider(GOOGLE, rotate_refresh_tokens=True)
        self.http = httpx.AsyncClient(transport=self.fake.transport)
        self.settings = AuthSettings(clock=self.clock)
        self.requests: list[httpx.Request] = []  # those of the client, not of the person
        self.http.event_hooks["request"] = [self._remember]

    async def _remember(self, request):
        self.requests.append(request)

    def auth(self, store, **more):
        return FederatedAuth(
            self.pool, store=store, settings=self.settings, http_client=self.http, **more
        )


class Person:
    """Does on the provider's pages what the prompt asks for.

    `change`: what becomes of the redirect before the browser follows it; `None`: it does not.
    `leave`: called when the browser goes no further.
    """

    def __init__(
        self,
        world,
        *,
        user="alice",
        decision="allow",
        change=lambda url: url,
        leave=lambda: None,
    ) -> None:
        self.leave = leave
        self.world, self.user, self.decision, self.change = world, user, decision, change
        self.prompt = None
        self.told = anyio.Event()
        self.page = None

    def tell(self, prompt):
        self.prompt = prompt
        self.told.set()

    def open(self):
        """Open a client that reaches the provider's pages."""
        return httpx.AsyncClient(transport=self.world.fake.transport)

    async def act(self):
        await self.told.wait()
        async with self.open() as browser:
            if self.prompt.user_code is not None:
                await browser.post(
                    self.prompt.url,
                    data={
                        "user_code": self.prompt.user_code,
                        "user": self.user,
                        "decision": self.decision,
                    },
                )
                return
            answer = await browser.get(self.prompt.url)
            if answer.status_code == 200:
                hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text)
                form = {name: html.unescape(value) for name, value in hidden}
                form |= {"user": self.user, "decision": self.decision}
                answer = await browser.post(self.prompt.url, data=form)
            self.page = answer
            if answer.status_code != 302 or self.change is None:
                self.leave()
                return
        async with httpx.AsyncClient(trust_env=False) as browser:
            self.page = await browser.get(self.change(answer.headers["location"]))


async def signed_in(person, **options):
    """Sign in with the person at the pages; return the `SignIn`, or the error that came of it."""
    arguments = {"issuer": ISSUER, "client_id": CLIENT, "device": False, **options}
    if "http_client" not in arguments:
        arguments["http_client"] = person.world.http
    async with anyio.create_task_group() as group:
        group.start_soon(person.act)
        try:
            outcome = await sign_in(prompt=person.tell, **arguments)
        except AuthError as error:
            outcome = error
        if not person.told.is_set() or person.change is None:
            group.cancel_scope.cancel()
    return outcome


async def refused(person, kind, **options):
    """Sign in; return the error, which must be of this class."""
    outcome = await signed_in(person, **options)
    assert isinstance(outcome, kind), outcome
    return outcome

"""A person at a real browser, where one is installed."""

import anyio
import pytest

from amplify_federation import sign_in
from amplify_federation.testing import FakeCognito
from tests.chromium import Chromium
from tests.oidc.kit import CLIENT, GOOGLE, ISSUER


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"  # one browser is enough


async def test_a_person_signs_in_in_a_real_browser(tmp_path):
    """The page is shown, its button pressed, the redirect served, and the outcome shown."""
    browser = Chromium(tmp_path, scripts=True)
    fake = FakeCognito()
    fake.create_identity_pool({GOOGLE: [CLIENT]})
    texts = []

    def act(url):
        with browser:
            browser.navigate(url)
            browser.wait_for("document.querySelector('button[value=allow]') !== null")
            browser.script("document.querySelector('button[value=allow]').click()")
            texts.append(
                browser.wait_for(
                    "location.hostname == '127.0.0.1' && location.search.includes('code=')"
                    " && document.readyState == 'complete' && document.body.innerText"
                )
            )

    async def prompt(shown):
        await anyio.to_thread.run_sync(act, shown.url)

    async with fake.serve() as url:
        signed = await sign_in(
            issuer=ISSUER,
            client_id=CLIENT,
            discovery_url=f"{url}/{GOOGLE.login_key}/.well-known/openid-configuration",
            device=False,
            prompt=prompt,
        )
    assert signed.username == "alice@example.com"
    assert "You are signed in" in texts[0]

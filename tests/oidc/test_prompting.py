"""What a user sees while a sign-in waits, and when there is a browser to open."""

import os
import sys
import webbrowser

import pytest

from amplify_federation import SignInPrompt
from amplify_federation._oidc.prompting import has_browser, show_prompt

URL = "https://accounts.google.com/authorize?x=1"


@pytest.fixture
def environment(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "there"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}, False),
        ({"DISPLAY": ":0", "SSH_TTY": "/dev/pts/1"}, False),
        ({"BROWSER": "some-browser", "SSH_CONNECTION": "1 2 3 4"}, True),
    ],
    ids=str,
)
def test_a_browser_is_there_if_its_user_would_see_it(environment, variables, there):
    environment.setattr(webbrowser, "get", object)
    for name, value in variables.items():
        environment.setenv(name, value)
    assert has_browser() is there


def test_a_display_without_a_browser_has_none(environment):
    def get():
        raise webbrowser.Error

    environment.setattr(webbrowser, "get", get)
    environment.setenv("DISPLAY", ":0")
    assert not has_browser()


async def test_the_browser_is_opened_and_the_url_written(environment, capsys):
    opened = []
    environment.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    environment.setenv("BROWSER", "some-browser")
    await show_prompt(SignInPrompt(URL, 300.0))
    assert opened == [URL]
    shown = capsys.readouterr()
    assert URL in shown.err
    assert shown.out == ""


async def test_without_a_browser_the_url_is_written(environment, capsys):
    environment.setattr(webbrowser, "open", lambda _url: pytest.fail("no browser is there"))
    await show_prompt(SignInPrompt(URL, 300.0))
    assert f"open this page in a browser of this machine:{os.linesep}{URL}" in (
        capsys.readouterr().err
    )


async def test_a_device_shows_its_code(environment, capsys):
    await show_prompt(SignInPrompt("https://example.com/device", 600.0, user_code="ABCD-EFGH"))
    assert "https://example.com/device and enter the code ABCD-EFGH" in capsys.readouterr().err

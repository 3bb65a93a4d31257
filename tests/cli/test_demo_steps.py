from datetime import UTC, datetime

import pytest

from amplify_federation import AWSCredentials
from amplify_federation.cli import demo_s3, demo_steps
from amplify_federation.cli.demo_steps import Step, masked


def test_a_step_passes_if_all_its_checks_held():
    assert Step("title", "why").passed
    assert Step("title", "why", checks=(("a", True), ("b", True))).passed
    assert not Step("title", "why", checks=(("a", True), ("b", False))).passed


def test_credentials_are_told_without_their_secrets():
    credentials = AWSCredentials(
        "ASIAIOSFODNN7EXAMPLE", "the secret", "the token", datetime(2026, 11, 23, tzinfo=UTC)
    )
    _, text = masked(credentials)
    assert text == "ASIA...MPLE (secrets hidden), until 2026-11-23T00:00:00Z"
    assert masked(None) == ("credentials", "none")


async def test_the_first_steps_pass_their_checks(demo):
    for step in (demo_steps.opening, demo_steps.sign_in, demo_steps.federate, demo_steps.fetch):
        assert (await step(demo)).passed


async def test_the_file_is_shown_and_a_plain_one_would_be_noticed(demo):
    await demo_steps.sign_in(demo)
    await demo_steps.federate(demo)
    assert (await demo_steps.look_at_file(demo)).passed
    file = demo.session_file()
    file.write_bytes(demo.token.encode())  # as if nothing had sealed it
    assert not (await demo_steps.look_at_file(demo)).passed


async def test_the_second_process_finds_the_session(demo):
    await demo_steps.sign_in(demo)
    await demo_steps.federate(demo)
    step = await demo_steps.second_process(demo)
    assert step.passed
    assert step.state == "federated"


async def test_the_other_steps_pass_their_checks(demo):
    await demo_steps.sign_in(demo)
    await demo_steps.federate(demo)
    await demo_steps.fetch(demo)
    states = []
    for step in (
        demo_steps.outlive_credentials,
        demo_steps.outlive_token,
        demo_steps.federate_again,
        demo_steps.clear,
    ):
        done = await step(demo)
        assert done.passed, done
        states.append(done.state)
    assert states == ["federated", "expired", "federated", "signed_out"]


async def test_a_picture_is_kept_and_another_user_is_refused(demo, monkeypatch):
    pytest.importorskip("botocore")
    await demo_steps.sign_in(demo)
    await demo_steps.federate(demo)
    for step in (demo_steps.keep_picture, demo_steps.refuse_other_user):
        assert (await step(demo)).passed
    monkeypatch.setattr(demo_s3, "RESOURCE", "arn:aws:s3:::pictures/*")  # a policy for everybody
    assert not (await demo_steps.refuse_other_user(demo)).passed


async def test_without_botocore_the_demo_says_what_it_would_show(demo):
    step = await demo_steps.picture_not_shown(demo)
    assert "Bob" in step.why
    assert step.facts == (("to see it", "pip install 'amplify-federation[cli,boto]'"),)


async def test_a_renewal_that_fails_is_noticed(demo):
    await demo_steps.sign_in(demo)
    await demo_steps.federate(demo)
    demo.fake.deactivate_token(demo.token)
    assert not (await demo_steps.outlive_credentials(demo)).passed


async def test_every_step_runs_once_and_in_order():
    titles = [step.title async for step in demo_steps.run_steps()]
    assert len(titles) == len(set(titles)) == len(demo_steps.STEPS)
    assert titles[0].startswith("An embedded Cognito")
    assert titles[-1] == "The user signs out"

from amplify_federation import AuthProvider
from amplify_federation.cli.demo_environment import demo_environment


async def test_the_environment_is_taken_away_in_the_end():
    async with demo_environment() as demo:
        assert demo.folder.is_dir()
    assert not demo.folder.parent.exists()


async def test_calls_are_counted_once(demo):
    assert demo.new_calls() == ()
    await demo.auth.federate_to_identity_pool(demo.sign_in(), AuthProvider.GOOGLE)
    assert demo.new_calls() == ("GetId", "GetCredentialsForIdentity")
    assert demo.new_calls() == ()


async def test_another_process_that_fails_is_told_and_not_believed(demo, monkeypatch):
    monkeypatch.setattr(type(demo), "command_of_another_process", lambda _self: ["no-such"])
    answer = await demo.ask_another_process()
    assert answer["state"] == "unknown"
    assert "no-such" in answer["message"]


async def test_a_secret_in_plain_bytes_is_found(demo):
    demo.sealed = ("the secret",)
    assert demo.has_no_secret(b"something else")
    assert not demo.has_no_secret(b"... the secret ...")


async def test_the_state_is_named(demo):
    assert demo.state() == "signed_out"

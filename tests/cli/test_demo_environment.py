from amplify_federation import AuthProvider
from amplify_federation.cli.demo_environment import demo_environment


async def test_the_environment_is_taken_away_in_the_end():
    async with demo_environment() as environment:
        assert environment.folder.is_dir()
    assert not environment.folder.parent.exists()


async def test_calls_are_counted_once(environment):
    assert environment.new_calls() == ()
    await environment.auth.federate_to_identity_pool(environment.sign_in(), AuthProvider.GOOGLE)
    assert environment.new_calls() == ("GetId", "GetCredentialsForIdentity")
    assert environment.new_calls() == ()


async def test_another_process_that_fails_is_told_and_not_believed(environment, monkeypatch):
    monkeypatch.setattr(type(environment), "command_of_another_process", lambda _self: ["no-such"])
    answer = await environment.ask_another_process()
    assert answer["state"] == "unknown"
    assert "no-such" in answer["message"]

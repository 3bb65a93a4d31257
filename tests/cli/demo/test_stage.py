from amplify_federation import AuthProvider
from amplify_federation.cli.demo.stage import set_stage


async def test_the_stage_is_taken_away_in_the_end():
    async with set_stage() as stage:
        assert stage.folder.is_dir()
    assert not stage.folder.parent.exists()


async def test_calls_are_counted_once(stage):
    assert stage.new_calls() == ()
    await stage.auth.federate_to_identity_pool(stage.sign_in(), AuthProvider.GOOGLE)
    assert stage.new_calls() == ("GetId", "GetCredentialsForIdentity")
    assert stage.new_calls() == ()


async def test_another_process_that_fails_is_told_and_not_believed(stage, monkeypatch):
    monkeypatch.setattr(type(stage), "command_of_another_process", lambda _self: ["no-such"])
    answer = await stage.ask_another_process()
    assert answer["state"] == "unknown"
    assert "no-such" in answer["message"]

from amplify_federation.cli.demo import beginning, passing


async def test_the_rest_holds_what_it_promises(play):
    await beginning.sign_in(play)
    await beginning.federate(play)
    await beginning.fetch(play)
    states = []
    for scene in (
        passing.outlive_credentials,
        passing.outlive_token,
        passing.federate_again,
        passing.clear,
    ):
        played = await scene(play)
        assert played.kept, played
        states.append(played.state)
    assert states == ["federated", "expired", "federated", "signed_out"]


async def test_a_renewal_that_fails_is_noticed(play):
    await beginning.sign_in(play)
    await beginning.federate(play)
    play.stage.fake.deactivate_token(play.token)
    assert not (await passing.outlive_credentials(play)).kept

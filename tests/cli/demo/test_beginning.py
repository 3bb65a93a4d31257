from amplify_federation.cli.demo import beginning


async def test_the_beginning_holds_what_it_promises(play):
    for scene in (beginning.opening, beginning.sign_in, beginning.federate, beginning.fetch):
        assert (await scene(play)).kept


async def test_the_file_is_shown_and_a_plain_one_would_be_noticed(play):
    await beginning.sign_in(play)
    await beginning.federate(play)
    assert (await beginning.look_at_file(play)).kept
    file = play.stage.session_file()
    file.write_bytes(play.token.encode())  # as if nothing had sealed it
    assert not (await beginning.look_at_file(play)).kept


async def test_the_second_process_finds_the_session(play):
    await beginning.sign_in(play)
    await beginning.federate(play)
    scene = await beginning.second_process(play)
    assert scene.kept
    assert scene.state == "federated"

from amplify_federation.cli.demo import story


async def test_every_scene_is_told_once_and_in_order():
    titles = [scene.title async for scene in story.tell()]
    assert len(titles) == len(set(titles)) == len(story.SCENES) == 10
    assert titles[0].startswith("An embedded Cognito")
    assert titles[-1] == "The user signs out"

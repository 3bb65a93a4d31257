from amplify_federation.cli.demo.scene import Scene


def test_a_scene_is_kept_if_all_it_promises_held():
    assert Scene("title", "why").kept
    assert Scene("title", "why", promises=(("a", True), ("b", True))).kept
    assert not Scene("title", "why", promises=(("a", True), ("b", False))).kept

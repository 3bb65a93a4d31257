"""The story that the demonstration tells: one session, from the first token to the clear.

This file owns the order of the scenes.
"""

from collections.abc import AsyncGenerator

from amplify_federation.cli.demo import beginning, passing
from amplify_federation.cli.demo.play import Play
from amplify_federation.cli.demo.scene import Scene
from amplify_federation.cli.demo.stage import set_stage

SCENES = (
    beginning.opening,
    beginning.sign_in,
    beginning.federate,
    beginning.fetch,
    beginning.look_at_file,
    beginning.second_process,
    passing.outlive_credentials,
    passing.outlive_token,
    passing.federate_again,
    passing.clear,
)


async def tell() -> AsyncGenerator[Scene]:
    """Play the story; yield each scene when it has been played."""
    async with set_stage() as stage:
        play = Play(stage)
        for scene in SCENES:
            yield await scene(play)

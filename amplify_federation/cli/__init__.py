"""The entry point of the command `amplify-federation`.

click is an extra: it is imported only after it was found to be installed.
"""

import sys
from importlib.util import find_spec

_NO_CLICK = 3  # as for any fault of the set-up; see `exit_codes`


def main() -> None:
    """Run the command with the arguments of this process, and exit."""
    if find_spec("click") is None:
        sys.stderr.write(
            "The command `amplify-federation` needs click.\n"
            "  pip install 'amplify-federation[cli]'\n"
        )
        sys.exit(_NO_CLICK)
    from amplify_federation.cli.program import program  # noqa: PLC0415  # needs click

    program(prog_name="amplify-federation")

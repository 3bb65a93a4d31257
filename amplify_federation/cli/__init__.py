"""The entry point of the command `amplify-federation`.

click is an extra: it is imported only after it was found to be installed.
"""

import os
import sys
from importlib.util import find_spec

_NO_CLICK, _INTERRUPTED = 3, 130  # as in `exit_codes`


def main() -> None:
    """Run the command with the arguments of this process, and exit."""
    try:
        _run()
    except KeyboardInterrupt:  # while modules are imported; later `program` handles it
        sys.exit(_INTERRUPTED)


def _run() -> None:
    if find_spec("click") is None:
        sys.stderr.write(
            "The command `amplify-federation` needs click.\n"
            "  pip install 'amplify-federation[cli]'\n"
        )
        sys.exit(_NO_CLICK)
    _open_closed_streams()
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None and sys.stdout.errors == "strict":
        # A file or pipe of Windows has a code page, which does not have each character of a name.
        reconfigure(errors="backslashreplace")
    from amplify_federation.cli.program import program  # noqa: PLC0415  # needs click

    program(prog_name="amplify-federation")


def _open_closed_streams() -> None:
    """Open stdin, stdout and stderr where they are closed, as by `>&-`: to what is read by nobody.

    Else a socket or a file of this process would get their descriptor, and another's output.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free; programs do not inherit it

"""`python -m tests.fuzz.with_atheris TARGET SECONDS FOLDER`: fuzz a target, guided by coverage.

It begins with the corpus; what is new goes to the folder, and what failed, as `crash-...`.
"""

import logging
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["amplify_federation"]):
    from tests.fuzz.targets import CORPUS, TARGETS


def main() -> None:
    name, seconds, folder = sys.argv[1:]
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={Path(folder)}/", "-timeout=20"]
    logging.disable()  # each 401 is logged
    atheris.Setup([sys.argv[0], *options, folder, str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()

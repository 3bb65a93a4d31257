"""Bytes of every kind on the six doors by which bytes come in; see `targets.py`.

A second each, from the seeds in `corpus/` and mutations of them. `AMPLIFY_FEDERATION_LONG_TESTS=1`
runs each for ten minutes under atheris (`pip install atheris`), `FUZZ_SECONDS` for another time:

    FUZZ_SECONDS=180 .venv/bin/pytest -n0 tests/fuzz -k atheris
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the extra `fast` is not installed")

from tests.fuzz.targets import CORPUS, TARGETS

LONG = bool(os.environ.get("AMPLIFY_FEDERATION_LONG_TESTS") or os.environ.get("FUZZ_SECONDS"))
SECONDS = os.environ.get("FUZZ_SECONDS", "600")
MUTATIONS = {"bearer": 200, "configuration": 400}
ROOT = Path(__file__).parents[2]


def seeds(name):
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def mutated(chance, pool):
    """Return a seed with a few changes: bytes flipped, cut out, doubled, taken from another."""
    data = bytearray(chance.choice(pool))
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randint(0, len(data)), chance.choice((1, 1, 2, 4, 16))
        other = chance.choice(pool)
        begin = chance.randint(0, len(other))
        piece = {
            "flip": bytes([chance.randrange(256)]),
            "cut": b"",
            "double": bytes(data[at : at + size]) * 2,
            "other": other[begin : begin + size],
        }[chance.choice(("flip", "flip", "cut", "double", "other"))]
        data[at : at + size] = piece
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_mutations_of_them_hold(name):
    pool = seeds(name)
    assert len(pool) >= 3
    chance = random.Random(1)  # noqa: S311  # what fails can be repeated
    for data in (b"", *pool, *(mutated(chance, pool) for _ in range(MUTATIONS.get(name, 1_000)))):
        try:
            TARGETS[name](data)
        except Exception:
            print(name, data)
            raise


@pytest.mark.skipif(not LONG, reason="AMPLIFY_FEDERATION_LONG_TESTS is not set")
@pytest.mark.parametrize("name", TARGETS)
def test_atheris_finds_nothing(name, tmp_path):
    pytest.importorskip("atheris", reason="pip install atheris; the long form alone needs it")
    command = [sys.executable, "-m", "tests.fuzz.with_atheris", name, SECONDS, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(name, *done.stderr.splitlines()[-3:], sep="\n  ")
    assert done.returncode == 0, done.stderr[-6_000:]

"""Write the golden records of the present version into `golden/`. Never run it for an old version.

    python tests/crypto/make_golden.py

Everything in them is fixed, so a second run writes the same bytes.
"""

import json
from pathlib import Path

from amplify_federation._crypto.envelope import VERSION, seal
from amplify_federation._crypto.kdf import ARGON2ID, SCRYPT
from amplify_federation._crypto.keys import MasterKey, SealingKey
from amplify_federation._crypto.passphrase import derive

FOLDER = Path(__file__).parent / "golden"
NAME = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768/default"
PASSPHRASE = "correct horse battery staple"
PAYLOAD = json.dumps({"generation": 7, "text": "söme pȧyload"}).encode()


def main() -> None:
    """Write one record for each kind of key."""
    FOLDER.mkdir(exist_ok=True)
    raw = SealingKey(MasterKey(bytes(range(32))))
    write("key", raw, PAYLOAD)
    write("empty", raw, b"")
    write("large", raw, PAYLOAD * 200)
    for name, function in (("argon2id", ARGON2ID), ("scrypt", SCRYPT)):
        derivation = function.salted(bytes(range(100, 116)))
        master = derive(MasterKey(PASSPHRASE.encode()), derivation)
        write(name, SealingKey(master, derivation), PAYLOAD)


def write(kind: str, key: SealingKey, payload: bytes) -> None:
    """Write one record."""
    record = seal(payload, name=NAME, key=key, salt=bytes(range(200, 232)))
    (FOLDER / f"version{VERSION}-{kind}.session").write_bytes(record)


if __name__ == "__main__":
    main()

"""The blocks of the command's README, run one after another as they stand."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "amplify_federation/cli/README.md"


def test_the_blocks_run_as_they_stand(command, token, tmp_path):
    blocks = re.findall(
        r"^```bash\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 6
    (tmp_path / "token.txt").write_text(token)
    run = f'amplify-federation() {{ {sys.executable} -m amplify_federation.cli "$@"; }}\nset -e\n'
    done = subprocess.run(
        ["bash", "-c", run + "\n".join(blocks)],
        env=command.environment(), cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert "Nothing is wrong." in done.stdout
    assert done.stdout.endswith("Signed out.\n")

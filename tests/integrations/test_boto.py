"""The way in. What the sessions do is in the folder `boto`."""

import subprocess
import sys

import pytest

from amplify_federation import FederatedAuth, MemoryStore
from amplify_federation.integrations import boto, live_session

POOL = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"


def test_importing_the_integration_imports_no_boto():
    script = (
        "import sys, amplify_federation.integrations.boto\n"
        "print([name for name in sys.modules if 'boto' in name.split('.')[0]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


async def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    auth = FederatedAuth(POOL, store=MemoryStore())
    monkeypatch.setattr(live_session, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"amplify-federation\[boto\]"):
        boto.botocore_credentials(auth)
    with pytest.raises(ModuleNotFoundError, match="pip install boto3"):
        boto.boto3_session(auth)
    with pytest.raises(ModuleNotFoundError, match="pip install aiobotocore"):
        boto.aiobotocore_session(auth)

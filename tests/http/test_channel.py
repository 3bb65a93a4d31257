import subprocess
import sys

from amplify_federation._cognito.answers import Answer
from amplify_federation._cognito.flow import PoolMembers, by_login
from amplify_federation._http.channel import Channel
from amplify_federation._http.server_clock import ServerClock
from amplify_federation.testing import ManualClock
from tests.cognito.calls import GIVEN, IDENTITY, LOGINS, POOL, http
from tests.http.test_conversation import ScriptedLine


async def test_a_session_converses_over_its_line():
    line = ScriptedLine(http({"IdentityId": IDENTITY}), http(GIVEN))
    channel = Channel(line, ServerClock(ManualClock()), 2)
    outcome = await channel.converse(by_login(PoolMembers(POOL), LOGINS))
    assert isinstance(outcome, Answer)
    assert outcome.identity_id == IDENTITY
    assert [headers["amz-sdk-request"] for headers, _ in line.sent] == ["attempt=1; max=2"] * 2


def test_a_process_that_makes_no_call_does_not_load_what_a_call_needs():
    script = (
        "import sys; from amplify_federation._http.channel import Channel; "
        "needed = ['_http.conversation', '_cognito.decoding', '_http.httpx_exchange', "
        "'_http.lean.exchange']; "
        "assert not {f'amplify_federation.{name}' for name in needed} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

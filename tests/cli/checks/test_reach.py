import time

import pytest

from amplify_federation import IdentityPool
from amplify_federation.cli.checks.finding import Verdict
from amplify_federation.cli.checks.reach import reach_findings
from amplify_federation.cli.terminal.exit_codes import ExitCode
from amplify_federation.testing import FakeCognito, ManualClock


@pytest.mark.parametrize(
    ("ahead", "verdict", "words"),
    [
        (0, Verdict.OK, "right"),
        (60, Verdict.NOTE, "behind"),
        (-60, Verdict.NOTE, "ahead of"),
        (3600, Verdict.WRONG, "behind"),
    ],
)
async def test_the_clock_is_compared_with_cognitos(ahead, verdict, words):
    fake = FakeCognito(clock=ManualClock(time.time() + ahead))
    async with fake.serve() as url:
        pool = IdentityPool(fake.create_identity_pool(), endpoint_url=url)
        network, clock = await reach_findings(pool)
    assert network.verdict is Verdict.OK
    assert clock.verdict is verdict
    assert words in clock.found


async def test_an_endpoint_that_does_not_answer_is_told():
    pool = IdentityPool(FakeCognito().create_identity_pool(), endpoint_url="http://127.0.0.1:9")
    (finding,) = await reach_findings(pool)
    assert (finding.verdict, finding.exit_code) == (Verdict.WRONG, ExitCode.NETWORK)
    assert "HTTPS_PROXY" in finding.advice

import pytest

from amplify_federation.testing import AWS_QUOTAS, FakeCognito


def test_next_call_fails_with_the_code_and_the_one_after_does_not(call, fake, pool):
    fake.fail_next("TooManyRequestsException", retry_after_ms=250)
    reply = call("GetId", IdentityPoolId=pool)
    assert (reply.status, reply.code) == (400, "TooManyRequestsException")
    assert reply.headers["x-amz-retry-after"] == "250"
    assert fake.calls[-1].code == "TooManyRequestsException"
    assert call("GetId", IdentityPoolId=pool).status == 200


def test_fault_waits_for_its_operation_and_happens_so_many_times(call, fake, pool):
    fake.fail_next("InternalErrorException", operation="GetCredentialsForIdentity", times=2)
    guest = call.identity(pool)
    assert [call.credentials(guest).status for _ in range(3)] == [500, 500, 200]


def test_faults_queue_up(call, fake, pool):
    fake.fail_next("A", times=2)
    fake.fail_next("B", operation="GetId")
    assert [call("GetId", IdentityPoolId=pool).code for _ in range(4)] == ["A", "A", "B", None]


def test_message_and_status_may_be_chosen(call, fake, pool):
    fake.fail_next("NotAuthorizedException", status=403, message="Token is inactive")
    reply = call("GetId", IdentityPoolId=pool)
    assert (reply.status, reply.code, reply.message) == (
        403,
        "NotAuthorizedException",
        "Token is inactive",
    )


def test_status_alone_is_a_page_of_somebody_else(call, fake, pool):
    fake.fail_next(status=503)
    reply = call("GetId", IdentityPoolId=pool)
    assert (reply.status, reply.headers["content-type"]) == (503, "text/html")
    assert "x-amzn-requestid" not in reply.headers
    assert (fake.calls[-1].status, fake.calls[-1].code, fake.calls[-1].request_id) == (
        503,
        None,
        None,
    )


def test_failed_call_makes_no_identity_and_a_lost_one_does(call, fake, pool):
    fake.fail_next("InternalErrorException", cut_connection=True)
    fake.fail_next(cut_connection=True)
    for made in (0, 1):
        assert call("GetId", IdentityPoolId=pool).response.cut
        assert len(fake._directory._identities) == made
        assert fake.calls[-1].cut
    assert not call("GetId", IdentityPoolId=pool).response.cut


def test_late_answer_is_the_true_one(call, fake, pool):
    fake.fail_next(delay=1.5)
    reply = call("GetId", IdentityPoolId=pool)
    assert (reply.status, reply.response.delay) == (200, 1.5)


def test_faults_can_be_taken_back(call, fake, pool):
    fake.fail_next("A", times=5)
    fake.clear_faults()
    assert call("GetId", IdentityPoolId=pool).status == 200


@pytest.mark.parametrize("times", [0, -1])
def test_fault_that_never_happens_is_a_mistake(fake, times):
    with pytest.raises(ValueError, match="at least once"):
        fake.fail_next("A", times=times)


def test_quota_throttles_until_time_passes(call, clock):
    call.fake = fake = FakeCognito(clock=clock, quotas=AWS_QUOTAS)
    pool = fake.create_identity_pool(guest_access=True)
    replies = [call("GetId", IdentityPoolId=pool) for _ in range(27)]
    assert [reply.status for reply in replies] == [200] * 25 + [400] * 2
    assert (replies[-1].code, replies[-1].message) == ("TooManyRequestsException", "Rate exceeded")
    fake.advance(1.5 / 25)
    assert [call("GetId", IdentityPoolId=pool).status for _ in range(2)] == [200, 400]
    fake.advance(60)
    assert sum(call("GetId", IdentityPoolId=pool).status == 200 for _ in range(30)) == 25


def test_quota_of_one_call_in_two_seconds_lets_that_one_pass_and_a_quota_of_none_none(call, clock):
    call.fake = fake = FakeCognito(clock=clock, quotas={"GetId": 0.5})
    pool = fake.create_identity_pool(guest_access=True)
    assert [call("GetId", IdentityPoolId=pool).status for _ in range(2)] == [200, 400]
    fake.advance(2)
    assert [call("GetId", IdentityPoolId=pool).status for _ in range(2)] == [200, 400]
    fake.set_quotas({"GetId": 0})
    fake.advance(60)
    assert call("GetId", IdentityPoolId=pool).status == 400


@pytest.mark.parametrize("rate", [-1, float("nan"), float("inf")])
def test_quota_that_is_no_rate_is_refused(fake, rate):
    with pytest.raises(ValueError, match="calls per second"):
        fake.set_quotas({"GetId": rate})


def test_quota_of_one_operation_leaves_the_others(call, clock):
    call.fake = fake = FakeCognito(clock=clock, quotas={"GetId": 1})
    pool = fake.create_identity_pool(guest_access=True)
    guest = call.identity(pool)
    assert call("GetId", IdentityPoolId=pool).status == 400
    assert {call.credentials(guest).status for _ in range(300)} == {200}


def test_clock_set_back_gives_no_more_and_no_less(call, clock):
    call.fake = fake = FakeCognito(clock=clock, quotas={"GetId": 2})
    pool = fake.create_identity_pool(guest_access=True)
    clock.jump_wall(-3600)
    assert [call("GetId", IdentityPoolId=pool).status for _ in range(3)] == [200, 200, 400]


@pytest.mark.parametrize(
    ("name", "hint"), [("GetID", "'GetId'"), ("tokens", "'token'"), ("x" * 30, "")]
)
def test_fault_or_quota_of_no_operation_is_refused_with_the_nearest_name(fake, name, hint):
    with pytest.raises(ValueError, match="There is no operation") as refused:
        fake.fail_next("TooManyRequestsException", operation=name)
    assert hint in str(refused.value)
    with pytest.raises(ValueError, match="There is no operation"):
        fake.set_quotas({name: 1.0})

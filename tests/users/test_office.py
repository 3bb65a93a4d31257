"""What the sessions of all users share, and what bearers' sessions have of their own."""

from amplify_federation._model.values import Secret


def test_all_sessions_share_the_way_to_cognito_and_the_settings(town):
    office = town.users()._office
    user, bearer = office.user_session("alice"), office.new_bearer_session("bearer#1", Secret("t"))
    assert user.context.channel is bearer.context.channel is office.channel
    assert user.context.settings is bearer.context.settings is office.settings


def test_a_bearers_session_knows_no_guests_and_no_token_source(town):
    async def source(_request):
        return ""

    users = town.users(pool=town.pool(guest_access=True), token_source=source)
    user = users._office.user_session("alice").context
    bearer = users._office.new_bearer_session("bearer#1", Secret("t")).context
    assert (user.pool.guest_access, bearer.pool.guest_access) == (True, False)
    assert user.token_source is source
    assert bearer.token_source is None


def test_bearers_are_told_from_users(town):
    office = town.users()._office
    assert office.is_bearers(office.new_bearer_session("bearer#1", Secret("t")))
    assert not office.is_bearers(office.user_session("alice"))

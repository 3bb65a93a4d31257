from amplify_federation.testing._openid.responses import (
    html_response,
    message_page,
    sign_in_page,
)


def test_texts_are_shown_and_never_taken_for_html():
    assert b"<b>" not in message_page("<b>", "<b>")
    shown = sign_in_page("<b>", "<b>", ['"><b>'], {"state": '"><b>'})
    assert b"<b>" not in shown


def test_a_page_without_users_lets_one_be_typed():
    assert b'name="user" list="users" value=""' in sign_in_page("issuer", "app", [], {})


def test_a_page_loads_nothing_and_stands_in_no_frame():
    policy = html_response(b"").headers["content-security-policy"]
    assert policy.split("; ") == [
        "default-src 'none'", "style-src 'unsafe-inline'", "frame-ancestors 'none'",
    ]  # fmt: skip

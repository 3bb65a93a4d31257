from amplify_federation._cognito.exchange import HttpAnswer


def test_an_answer_does_not_show_its_body():
    answer = HttpAnswer(200, {"date": "today"}, b"canary")
    assert "canary" not in repr(answer)
    assert "200" in repr(answer)

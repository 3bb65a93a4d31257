from amplify_federation._cognito.answers import Answer
from amplify_federation._model.values import Secret


def test_an_answer_does_not_show_its_token():
    answer = Answer("us-west-2:1", open_id_token=Secret("canary"))
    assert "canary" not in repr(answer)
    assert "us-west-2:1" in repr(answer)

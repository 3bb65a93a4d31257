def test_a_session_is_forgotten_without_a_call(signed_in, fake):
    calls = len(fake.calls)
    done = signed_in("clear")
    assert (done.code, done.stdout) == (0, "Signed out.\n")
    assert len(fake.calls) == calls
    assert signed_in("session").code == 4


def test_nobody_signed_in_is_no_error(command):
    done = command("clear", "--json")
    assert done.code == 0
    assert done.json == {"state": "signed_out", "session": "default"}

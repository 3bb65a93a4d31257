import os


def verdicts(done):
    return {finding["subject"]: finding["verdict"] for finding in done.json}


def test_where_all_is_well_nothing_is_wrong(signed_in):
    done = signed_in("doctor")
    assert done.code == 0, done
    assert done.stdout.endswith("Nothing is wrong.\n")


def test_every_subject_is_looked_at(signed_in):
    looked = verdicts(signed_in("doctor", "--json"))
    assert looked == dict.fromkeys(
        ["version", "pool", "endpoint", "guests", "store", "folder", "key", "lock", "session",
         "network", "clock"],
        "ok",
    )  # fmt: skip


def test_offline_the_network_is_left_alone(signed_in):
    looked = verdicts(signed_in("doctor", "--offline", "--json"))
    assert "network" not in looked
    assert "session" in looked


def test_it_prints_no_secret(signed_in, token, folder):
    key = (folder / "master.key").read_text().strip()
    secret = signed_in("credentials", "--json").json
    told = signed_in("doctor").everything + signed_in("doctor", "--json").everything
    for text in (key, token, secret["secret_access_key"], secret["session_token"]):
        assert text not in told


def test_it_changes_nothing_where_nothing_is_yet(command, folder):
    done = command("doctor")
    assert done.code == 0
    assert not folder.exists()


def test_a_file_open_to_others_is_told_with_the_command_that_mends_it(signed_in, folder):
    (file,) = folder.glob("*.session")
    os.chmod(file, 0o640)  # noqa: PTH101
    done = signed_in("doctor")
    assert done.code == 9
    assert f"chmod 600 {file}" in done.stdout


def test_without_a_pool_the_rest_is_looked_at_all_the_same(command):
    done = command("doctor", "--json", env={"AMPLIFY_FEDERATION_POOL_ID": ""})
    assert done.code == 3
    assert verdicts(done)["pool"] == "wrong"
    assert "folder" in verdicts(done)


def test_an_endpoint_that_does_not_answer_is_told(command):
    env = {"AWS_ENDPOINT_URL_COGNITO_IDENTITY": "http://127.0.0.1:9"}
    done = command("doctor", "--json", env=env)
    assert done.code == 7
    assert verdicts(done)["network"] == "wrong"

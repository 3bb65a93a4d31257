import json
import subprocess
from datetime import UTC, datetime

from amplify_federation import AWSCredentials
from amplify_federation.cli.handover import forms

CREDENTIALS = AWSCredentials(
    "ASIAEXAMPLE", "se'cret$x", "to+ken/=", datetime(2026, 11, 23, 12, tzinfo=UTC)
)


def test_the_form_for_credential_process_is_the_one_of_aws():
    assert json.loads(forms.for_process(CREDENTIALS)) == {
        "Version": 1,
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "se'cret$x",
        "SessionToken": "to+ken/=",
        "Expiration": "2026-11-23T12:00:00Z",
    }


def test_the_form_for_containers_calls_the_session_token_token():
    told = json.loads(forms.for_container(CREDENTIALS))
    assert told["Token"] == "to+ken/="
    assert set(told) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}


def test_a_shell_gets_exactly_these_values_whatever_stands_in_them():
    script = f'{forms.for_shell(CREDENTIALS)}\nprintf %s "$AWS_SECRET_ACCESS_KEY"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "se'cret$x"


def test_programs_get_the_identity_too():
    told = json.loads(forms.for_programs(CREDENTIALS, "us-west-2:1"))
    assert told["identity_id"] == "us-west-2:1"
    assert told["secret_access_key"] == "se'cret$x"

"""The forms in which AWS tools take credentials. Pure; the only texts of this wing with secrets."""

import json
import shlex

from amplify_federation import AWSCredentials
from amplify_federation.cli.terminal.showing import moment


def for_process(credentials: AWSCredentials) -> str:
    """Return what AWS's document on `credential_process` asks for."""
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "SessionToken": credentials.session_token,
            "Expiration": moment(credentials.expiration),
        }
    )


def for_container(credentials: AWSCredentials) -> str:
    """Return what a container credentials endpoint answers; here the session token is `Token`."""
    return json.dumps(
        {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": moment(credentials.expiration),
        }
    )


def for_shell(credentials: AWSCredentials) -> str:
    """Return the lines that a POSIX shell evaluates."""
    variables = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_CREDENTIAL_EXPIRATION": moment(credentials.expiration),
    }
    return "\n".join(f"export {name}={shlex.quote(text)}" for name, text in variables.items())


def for_programs(credentials: AWSCredentials, identity_id: str) -> str:
    """Return a JSON object in this package's own words."""
    document = {
        "identity_id": identity_id,
        "access_key_id": credentials.access_key_id,
        "secret_access_key": credentials.secret_access_key,
        "session_token": credentials.session_token,
        "expiration": moment(credentials.expiration),
    }
    return json.dumps(document, indent=2)

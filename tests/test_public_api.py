import ast
import importlib
import inspect
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import attrs
import pytest

import amplify_federation
from amplify_federation import (
    AuthEventKind,
    AuthProvider,
    AuthSession,
    AuthSettings,
    AWSCredentials,
    EncryptedFileStore,
    FederatedAuth,
    FederatedBearer,
    FederatedUsers,
    IdentityPool,
    MemoryStore,
    NotAuthorizedReason,
    Sealed,
    SessionStore,
    errors,
)

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "tests" / "typing"
NONE = inspect.Parameter.empty
CALLS = {
    "federate_to_identity_pool": (
        "(self, token, provider, *, developer_provided_identity_id=None, refresh_grant=None)"
    ),
    "fetch_auth_session": "(self, *, force_refresh=False)",
    "clear_federation_to_identity_pool": "(self)",
    "get_current_user": "(self)",
    "link_login": "(self, token, provider)",
    "unlink_login": "(self, provider)",
    "sign_out": "(self, *, local=False)",
    "aclose": "(self)",
}


def shape(call):
    """Return a signature without its annotations."""
    signature = inspect.signature(call)
    bare = [each.replace(annotation=NONE) for each in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=NONE))


def names(call):
    return [name for name in inspect.signature(call).parameters if name != "self"]


def test_what_is_public_is_sorted_and_there():
    public = amplify_federation.__all__
    assert public == sorted(public)
    assert len(public) == len(set(public))
    for name in public:
        assert getattr(amplify_federation, name) is not None


def test_the_face_finds_each_name_where_checkers_see_it():
    tree = ast.parse(inspect.getsource(amplify_federation))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.col_offset  # at the margin: not lazy
        for alias in node.names
    }
    found = {
        name: f"amplify_federation.{module}"
        for name, module in amplify_federation._MODULE_OF.items()
    }
    assert found == seen


def test_the_face_has_nothing_else():
    with pytest.raises(AttributeError, match="has no attribute 'FederatedOath'"):
        amplify_federation.FederatedOath  # noqa: B018  # it raises
    assert set(amplify_federation.__all__) <= set(dir(amplify_federation))


def test_everything_on_the_face_is_public():
    here = {
        name
        for name, value in vars(amplify_federation).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert here == set(amplify_federation.__all__)


def test_every_error_is_public():
    tree = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert tree <= set(amplify_federation.__all__)


@pytest.mark.parametrize("name", amplify_federation.__all__)
def test_everything_public_says_what_it_is(name):
    value = getattr(amplify_federation, name)
    if isinstance(value, type) or callable(value):
        assert inspect.getdoc(value)


def public_callables():
    for name in amplify_federation.__all__:
        value = getattr(amplify_federation, name)
        if not inspect.isclass(value) or issubclass(value, StrEnum | Exception):
            continue
        for member, found in vars(value).items():
            if not member.startswith("_") and (callable(found) or isinstance(found, property)):
                yield pytest.param(found, id=f"{name}.{member}")


@pytest.mark.parametrize("member", list(public_callables()))
def test_every_public_method_says_what_it_does(member):
    assert inspect.getdoc(member)


def test_a_session_is_made_from_a_pool_and_choices_by_name():
    assert names(FederatedAuth) == [
        "pool", "store", "session_name", "http_client", "token_source", "user_pool", "settings",
    ]  # fmt: skip
    assert names(FederatedUsers)[:4] == ["pool", "store", "http_client", "token_source"]
    assert inspect.signature(FederatedUsers).parameters["max_users"].default == 10_000
    for made in (FederatedAuth, FederatedUsers):
        choices = list(inspect.signature(made).parameters.values())[1:]
        assert {each.kind for each in choices} == {inspect.Parameter.KEYWORD_ONLY}
        assert inspect.signature(made).parameters["settings"].default == AuthSettings()


@pytest.mark.parametrize(("name", "signature"), CALLS.items())
def test_a_call_of_a_session_takes_what_the_documents_say(name, signature):
    call = getattr(FederatedAuth, name)
    assert shape(call) == signature
    assert inspect.iscoroutinefunction(call)


def test_many_users_are_reached_by_id_or_by_token():
    assert shape(FederatedUsers.auth) == "(self, user_id)"
    assert shape(FederatedUsers.session_for) == "(self, token, provider)"
    assert inspect.iscoroutinefunction(FederatedUsers.session_for)
    assert shape(FederatedUsers.sign_out) == "(self, token, provider)"
    assert inspect.iscoroutinefunction(FederatedUsers.sign_out)
    assert shape(FederatedUsers.bearer) == "(self, token, provider)"
    assert shape(FederatedBearer.fetch_auth_session) == CALLS["fetch_auth_session"]


def test_a_pool_is_made_from_arguments_files_or_the_environment():
    assert shape(IdentityPool) == (
        "(identity_pool_id, *, region=None, account_id=None, guest_access=False, "
        "custom_role_arn=None, classic_flow=None, endpoint_url=None, use_fips=None, "
        "use_dualstack=None)"
    )
    assert shape(IdentityPool.from_amplify_config) == "(path_or_mapping, *, guest_access=None)"
    assert shape(IdentityPool.from_env) == "()"


def test_providers_are_made_as_the_documents_say():
    assert shape(AuthProvider.oidc) == "(issuer)"
    assert shape(AuthProvider.saml) == "(provider_arn)"
    assert shape(AuthProvider.cognito_user_pool) == "(user_pool_id, region=None)"
    assert shape(AuthProvider.custom) == "(login_key)"


def test_values_have_the_members_that_the_documents_name():
    assert names(AWSCredentials) == [
        "access_key_id", "secret_access_key", "session_token", "expiration",
    ]  # fmt: skip
    for name in ("identity_id", "credentials", "user_pool_tokens", "user_sub"):
        assert isinstance(getattr(AuthSession, name), property)
        assert f"{name}_result" in names(AuthSession)
    assert {"is_signed_in", "renewal_error"} <= set(names(AuthSession))


def test_settings_are_given_by_name():
    parameters = inspect.signature(AuthSettings).parameters
    assert list(parameters) == [
        "remember_token", "expiry_margin", "refresh_window", "timeout", "max_attempts", "clock",
    ]  # fmt: skip
    assert {each.kind for each in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}


def test_a_store_is_a_folder_or_memory_or_sealed():
    assert shape(EncryptedFileStore) == "(path=None, *, key=None)"
    assert shape(MemoryStore) == "()"
    assert shape(Sealed) == "(backend, *, key)"
    assert shape(SessionStore.read) == "(self, name)"
    assert shape(SessionStore.compare_and_set) == "(self, name, data, *, expected)"
    assert shape(SessionStore.delete) == "(self, name, *, expected)"
    assert shape(SessionStore.lock) == "(self, name, *, timeout)"


def test_words_that_programs_compare_are_as_the_documents_spell_them():
    assert [str(each) for each in AuthEventKind] == [
        "federated", "credentials_renewed", "session_expired", "federation_cleared",
    ]  # fmt: skip
    assert {str(each) for each in NotAuthorizedReason} == {
        "token_expired", "token_malformed", "token_signature", "token_inactive", "wrong_provider",
        "provider_not_configured", "guests_off", "identity_mismatch", "unknown",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [name for name in amplify_federation.__all__ if attrs.has(getattr(amplify_federation, name))],
)
def test_every_value_is_frozen_and_has_no_dict_of_its_own(name):
    kind = getattr(amplify_federation, name)
    assert kind.__setattr__ is not object.__setattr__
    assert "__slots__" in vars(kind)


def test_the_test_kit_is_there():
    kit = importlib.import_module("amplify_federation.testing")
    assert {"FakeCognito", "ManualClock", "StoreContract"} <= set(kit.__all__)


def test_the_package_carries_its_types():
    assert (Path(amplify_federation.__file__).parent / "py.typed").is_file()


def checker(name):
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_a_typed_program_passes_mypy(tmp_path):
    command = [checker("mypy"), "--strict", "--cache-dir", str(tmp_path), str(SAMPLES)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_typed_program_passes_pyright(tmp_path):
    pyright = checker("pyright")
    project = tmp_path / "pyrightconfig.json"
    samples = ", ".join(f'"{path}"' for path in SAMPLES.glob("*.py"))
    project.write_text(
        f'{{"include": [{samples}], "typeCheckingMode": "strict"}}', encoding="utf-8"
    )
    command = [pyright, "--project", str(project), "--pythonpath", sys.executable]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "node" in run.stderr and run.returncode not in {0, 1}:
        pytest.skip("pyright cannot run here")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 errors" in run.stdout

"""Random conversations with FakeCognito, and with a model of identities and logins.

The model is what a reader of AWS's documents would draw on paper: who owns which login. It knows no
tokens, no HTTP and no clock. Fake and model must give the same answers for ever.
"""

import json
from functools import cache

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from amplify_federation import AuthProvider
from amplify_federation.testing import FakeCognito, ManualClock
from amplify_federation.testing._http.messages import Request

PROVIDERS = [AuthProvider.GOOGLE, AuthProvider.APPLE, AuthProvider.oidc("login.example.com")]
KEYS = [provider.login_key for provider in PROVIDERS]
NOT_AUTHORIZED, CONFLICT = "NotAuthorizedException", "ResourceConflictException"
NOT_FOUND, INVALID = "ResourceNotFoundException", "InvalidParameterException"
NEW = "a new identity"


class Model:
    """Identities are sets of logins; a login is a pair of provider and user."""

    def __init__(self):
        self.guests = True
        self.logins = {}  # identity -> its logins, in the order of creation
        self.closed = set()  # merged or emptied identities

    def add(self, identity, logins):
        self.logins[identity] = set(logins)

    def owners(self, logins):
        return [one for one, owned in self.logins.items() if owned & logins]

    def get_id(self, logins):
        if not logins:
            return NEW if self.guests else NOT_AUTHORIZED
        owners = self.owners(logins)
        if not owners:
            return NEW
        return self.unite(owners[0], owners[1:], logins)

    def get_credentials(self, identity, logins):
        if identity not in self.logins:
            return NOT_FOUND
        own = self.logins[identity]
        if identity in self.closed:
            return NOT_AUTHORIZED
        if not logins:
            return identity if self.guests and not own else NOT_AUTHORIZED
        if own and not own & logins:
            return NOT_AUTHORIZED
        owners = self.owners(logins)
        if not own and owners:
            return self.unite(owners[0], [*owners[1:], identity], logins)
        return self.unite(identity, [one for one in owners if one != identity], logins)

    def unite(self, stays, others, logins):
        union = set(logins).union(*(self.logins[one] for one in (stays, *others)))
        if len({provider for provider, _ in union}) < len(union):
            return CONFLICT
        for one in others:
            self.logins[one] = set()
            self.closed.add(one)
        self.logins[stays] = union
        return stays

    def unlink(self, identity, logins, providers):
        if identity not in self.logins:
            return NOT_FOUND
        own = self.logins[identity]
        if not own & logins:
            return NOT_AUTHORIZED
        if not providers <= {provider for provider, _ in own}:
            return INVALID
        self.logins[identity] = {login for login in own if login[0] not in providers}
        if not self.logins[identity]:
            self.closed.add(identity)
        return None

    def delete(self, identity):
        self.logins.pop(identity, None)


@cache
def token(key, user):
    return FakeCognito(clock=ManualClock()).issue_token(AuthProvider(key), user)


LOGINS = st.dictionaries(
    st.sampled_from(KEYS), st.sampled_from(["a", "b"]), min_size=1, max_size=3
).map(lambda logins: frozenset(logins.items()))
RECENT = st.integers(-5, -1)  # one of the last identities


class Identities(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.fake = FakeCognito(clock=ManualClock())
        self.pool = self.fake.create_identity_pool(PROVIDERS, guest_access=True)
        self.model = Model()
        self.seen = ["us-west-2:00000000-0000-0000-0000-000000000000"]  # one that never was

    def users(self, number):
        """One of the identities with logins, and a login for each of its providers."""
        users = [(one, frozenset(own)) for one, own in self.model.logins.items() if own]
        return users[number:][:1]

    def recent(self, number):
        return self.seen[max(number, -len(self.seen))]

    def call(self, operation, logins, **given):
        tokens = {key: token(key, user) for key, user in logins}
        body = json.dumps({**given, "Logins": tokens}).encode()
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"AWSCognitoIdentityService.{operation}",
        }
        request = Request("POST", "cognito.test", "/", headers, body)
        answer = json.loads(self.fake._endpoint.answer(request).body)
        return answer.get("__type") or answer.get("IdentityId")

    @rule(logins=LOGINS)
    def get_id(self, logins):
        answer = self.call("GetId", logins, IdentityPoolId=self.pool)
        expected = self.model.get_id(logins)
        if expected == NEW:
            assert answer not in self.seen
            assert answer.startswith("us-west-2:")
            self.seen.append(answer)
            self.model.add(answer, logins)
        else:
            assert answer == expected

    @rule()
    def arrive_as_a_guest(self):
        self.get_id(frozenset())

    @rule(number=RECENT)
    def get_credentials_of_a_guest(self, number):
        self.get_credentials(number, frozenset())

    @rule(number=RECENT, logins=LOGINS)
    def get_credentials(self, number, logins):
        identity = self.recent(number)
        answer = self.call("GetCredentialsForIdentity", logins, IdentityId=identity)
        assert answer == self.model.get_credentials(identity, logins)

    @rule(number=RECENT, logins=LOGINS, providers=st.sets(st.sampled_from(KEYS), max_size=2))
    def unlink(self, number, logins, providers):
        identity = self.recent(number)
        answer = self.call(
            "UnlinkIdentity", logins, IdentityId=identity, LoginsToRemove=sorted(providers)
        )
        assert answer == self.model.unlink(identity, logins, providers)

    @rule(number=RECENT, more=LOGINS)
    def come_back_with_more(self, number, more):
        for identity, own in self.users(number):
            known = {provider for provider, _ in own}
            new = {login for login in more if login[0] not in known}
            self.get_credentials(self.seen.index(identity) - len(self.seen), own | new)

    @rule(number=RECENT, keep=st.sets(st.sampled_from(KEYS), max_size=1))
    def leave(self, number, keep):
        for identity, own in self.users(number):
            providers = {provider for provider, _ in own} - keep
            self.unlink(self.seen.index(identity) - len(self.seen), own, providers)

    @rule(number=RECENT, guests=st.sampled_from([True, True, True, False]))
    def administer(self, number, guests):
        self.fake.update_identity_pool(self.pool, guest_access=guests)
        self.model.guests = guests
        if not guests:
            identity = self.recent(number)
            self.fake.delete_identity(identity)
            self.model.delete(identity)

    @invariant()
    def every_login_has_one_owner(self):
        if hasattr(self, "model"):
            logins = [login for owned in self.model.logins.values() for login in owned]
            assert len(logins) == len(set(logins))


Identities.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestIdentities = Identities.TestCase

"""A world of many users: one clock, one fake Cognito whose calls are counted, one store."""

from amplify_federation import AuthProvider, AuthSettings, FederatedUsers, IdentityPool
from tests.session.kit import BOTH, GET_CREDENTIALS, GatedStore, World

__all__ = ["BOTH", "GET_CREDENTIALS", "GatedStore", "UsersWorld"]


class UsersWorld(World):
    """A world of many users."""

    def users(self, *, pool=None, store=None, clock=None, **arguments) -> FederatedUsers:
        names = {
            "max_federations", "max_users", "opaque_token_life", "token_source", "user_pool",
        }  # fmt: skip
        given = {name: arguments.pop(name) for name in names & arguments.keys()}
        return FederatedUsers(
            pool or IdentityPool(self.pool_id),
            store=store or self.store,
            http_client=self.client,
            settings=AuthSettings(clock=clock or self.clock, **arguments),
            **given,
        )

    def identity_of(self, session) -> str:
        """Return whose credentials these are, as the fake issued them."""
        return self.fake.read_session_token(session.credentials.session_token).identity_id

    def opaque(self, subject="olga") -> str:
        return self.token(subject, AuthProvider.FACEBOOK)

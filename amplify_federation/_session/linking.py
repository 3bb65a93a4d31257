"""Several logins on one identity: link a further one, unlink one.

This file owns what is sent as proof, and what the session holds afterwards. Cognito decides whether
a strange login is linked, merged (the answer's identity then is another) or refused.
"""

from functools import partial

from amplify_federation._cognito.decoding import Answer
from amplify_federation._cognito.flow import by_identity, unlinking
from amplify_federation._model.machine import FederationSucceeded
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.results import FederationResult
from amplify_federation._model.state import Federated
from amplify_federation._model.values import Secret
from amplify_federation._session.context import Context
from amplify_federation._session.federating import Federations
from amplify_federation.errors import InvalidStateError


class Linking:
    """Links and unlinks the logins of one session, in turn with its federations."""

    __slots__ = ("_context", "_federations")

    def __init__(self, context: Context, federations: Federations) -> None:
        self._context = context
        self._federations = federations

    async def link(self, token: Secret, provider: AuthProvider) -> FederationResult:
        """Link a further login; see `FederatedAuth.link_login`."""
        return await self._federations.in_turn(partial(self._link, token, provider))

    async def unlink(self, provider: AuthProvider) -> FederationResult:
        """Unlink a login; see `FederatedAuth.unlink_login`."""
        return await self._federations.in_turn(partial(self._unlink, provider))

    async def _link(self, token: Secret, provider: AuthProvider) -> FederationResult:
        state = await self._federated()
        precondition = self._context.same_session()
        logins = {**self._proof(state), provider: token}
        flow = by_identity(self._context.pool.members, state.identity_id, logins)
        outcome = await self._context.client.converse(flow)
        if not isinstance(outcome, Answer):
            raise outcome
        others = tuple(login for login in state.held if login.provider != provider)
        held = (*others, self._federations.login(token, provider))
        grant = self._context.grant_from(outcome)
        repository = self._context.repository
        await repository.commit(
            FederationSucceeded(grant, held), repository.record.federation_id, precondition
        )
        return FederationResult(grant.identity_id, grant.credentials)

    async def _unlink(self, provider: AuthProvider) -> FederationResult:
        state = await self._federated()
        held = tuple(login for login in state.held if login.provider != provider)
        if len(held) == len(state.held):
            message = f"No login of {provider.login_key} is linked to this session."
            raise InvalidStateError(message, recovery_suggestion="Look at `auth.state.logins`.")
        if not held:
            message = "The last login cannot be unlinked."
            raise InvalidStateError(
                message, recovery_suggestion="Call `clear_federation_to_identity_pool` instead."
            )
        precondition = self._context.same_session()
        flow = unlinking(state.identity_id, self._proof(state), provider)
        outcome = await self._context.client.converse(flow)
        if not isinstance(outcome, Answer):
            raise outcome
        repository = self._context.repository
        await repository.commit(
            FederationSucceeded(state.grant, held), repository.record.federation_id, precondition
        )
        return FederationResult(state.identity_id, state.credentials)

    async def _federated(self) -> Federated:
        repository = self._context.repository
        await repository.look(now=True)
        if repository.replaced or not isinstance(repository.state, Federated):
            message = "Logins are linked to a federated session, and this one is not."
            raise InvalidStateError(
                message, recovery_suggestion="Call `federate_to_identity_pool` first."
            )
        return repository.state

    def _proof(self, state: Federated) -> dict[AuthProvider, Secret]:
        """Return the tokens that prove the identity to Cognito; one at least."""
        proof = {
            login.provider: login.token
            for login in state.held
            if login.token is not None and self._context.may_take(login)
        }
        if not proof:
            message = "The session holds no good token that proves its identity to Cognito."
            raise InvalidStateError(
                message,
                recovery_suggestion="Federate again with a new token (and `remember_token=True`).",
            )
        return proof

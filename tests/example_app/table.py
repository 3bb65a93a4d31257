"""What stands in for DynamoDB: a table that each user reaches under their own identity alone.

As with an IAM condition on `${cognito-identity.amazonaws.com:sub}`, the row is chosen by whom the
credentials were issued to, not by what the application says.
"""

import sqlite3

from amplify_federation import AWSCredentials
from amplify_federation.testing import FakeCognito

_SCHEMA = "CREATE TABLE IF NOT EXISTS scores (owner TEXT, points INTEGER)"


class ScoreTable:
    """Scores by owner, in a file that the workers share."""

    def __init__(self, path: str) -> None:
        self._rows = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._rows.execute("PRAGMA journal_mode=WAL")
        self._rows.execute("PRAGMA synchronous=OFF")
        self._rows.execute(_SCHEMA)
        self._issuer = FakeCognito()

    def put(self, credentials: AWSCredentials, points: int) -> dict[str, str | int]:
        """Add a score to the row of the credentials' owner, and return the row."""
        self._rows.execute("INSERT INTO scores VALUES (?, ?)", (self._owner(credentials), points))
        return self.get(credentials)

    def get(self, credentials: AWSCredentials) -> dict[str, str | int]:
        """Return the row of the credentials' owner."""
        owner = self._owner(credentials)
        query = "SELECT COUNT(*), COALESCE(MAX(points), 0) FROM scores WHERE owner = ?"
        count, best = self._rows.execute(query, (owner,)).fetchone()
        return {"owner": owner, "key": credentials.access_key_id, "count": count, "best": best}

    def _owner(self, credentials: AWSCredentials) -> str:
        return self._issuer.read_session_token(credentials.session_token).identity_id

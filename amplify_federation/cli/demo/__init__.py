"""The demonstration: a session's whole life, on an embedded Cognito."""

"""The identity providers outside Cognito: their keys and their tokens."""

"""What Cognito decides, without HTTP: pools, tokens, identities, operations."""

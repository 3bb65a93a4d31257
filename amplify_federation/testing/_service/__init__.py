"""What Cognito decides, without a wire: pools, tokens, identities, the four operations."""

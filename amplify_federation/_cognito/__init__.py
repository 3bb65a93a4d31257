"""The calls to Cognito Identity, their order, and the meaning of its answers. Pure."""

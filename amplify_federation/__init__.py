"""Async-first identity-pool federation for Amazon Cognito."""

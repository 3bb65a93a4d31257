"""A test kit: an embedded Cognito, a movable clock, a store contract, a pytest plugin."""

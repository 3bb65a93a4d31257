"""Where a pool's settings come from: Amplify's files, the environment, the endpoint rules."""

"""What is said to Cognito Identity and how its answers are understood. Pure."""

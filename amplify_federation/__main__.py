"""`python -m amplify_federation`: the command, where its script is not on the path."""

from runpy import run_module

if __name__ == "__main__":
    # By name: a wing is imported by nobody.
    run_module("amplify_federation.cli", run_name="__main__", alter_sys=True)

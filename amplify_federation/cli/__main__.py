"""`python -m amplify_federation.cli`: the command, where its script is not on the path."""

from amplify_federation.cli import main

if __name__ == "__main__":
    main()

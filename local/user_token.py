"""Print a token of any user, as the identity provider of the running local stack would sign it.

python local/user_token.py 'auth0|5f7c8ec7c33c6c004bbafe82'
"""

import argparse
import json
import sys
from pathlib import Path

import data
import keys


def main() -> int:
    """Sign a token whose `sub` is the id on the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sub", help="the id of the user")
    parser.add_argument("--stack", type=Path, default=data.FACTS, help="its stack.json")
    arguments = parser.parse_args()
    if not arguments.sub:
        parser.error("the id of the user is missing: make token SUB=ID")
    if not arguments.stack.exists():
        parser.error("no stack has been started here: make run")
    facts = json.loads(arguments.stack.read_text())
    file = Path(facts["jwtPrivateKeyFile"])
    key = keys.signing_key(file.parent, file.stem)
    print(
        key.token(issuer=facts["jwtIssuer"], audience=facts["jwtAudience"], subject=arguments.sub)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

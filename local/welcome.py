"""What a person reads when the local stack is up: where it is and commands to paste."""

# ruff: noqa: E501 - one command a line, to paste

from pathlib import Path
from typing import Any

TEXT = """
Vignette is running at {baseUrl} - Ctrl-C stops it.
Open that address in a browser: drop a photo, move it, save it, and see what the APIs say.

Secret key (acts on any user)   {secretKey}
User token (acts as one user)   {userToken}
Token of any other user         make token SUB=ID

Paste these into a second terminal, in this directory, to give that user a picture:

BASE={baseUrl}
TOKEN={userToken}
PHOTO=tests/photos/astronaut.jpg
UPLOAD=$(curl -sS "$BASE/api/v1/uploads" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"kind": "profile_picture", "contentType": "image/jpeg", "contentLength": '"$(wc -c < "$PHOTO")"'}}')
printf %s "$UPLOAD" | python3 -c 'import json, sys; u = json.load(sys.stdin); print("url =", json.dumps(u["url"])); [print("form-string =", json.dumps(k + "=" + v)) for k, v in u["fields"].items()]' | curl -sS -K - -F "file=@$PHOTO"
ID=$(printf %s "$UPLOAD" | python3 -c 'import json, sys; print(json.load(sys.stdin)["uploadId"])')
for i in $(seq 30); do curl -sS "$BASE/api/v1/uploads/$ID" -H "Authorization: Bearer $TOKEN" | grep -q '"ready"' && break; sleep 1; done
USER_JSON=$(curl -sS -X PATCH "$BASE/api/v1/users/me/profile-picture" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"uploadId": "'"$ID"'"}}')
printf %s "$USER_JSON" | python3 -m json.tool
curl -sS "$(printf %s "$USER_JSON" | python3 -c 'import json, sys; print(json.load(sys.stdin)["profilePictureUrl"])')" -o picture.webp -w 'picture.webp: %{{content_type}}, %{{size_download}} bytes\\n'

Any photo of yours does as PHOTO. `profilePictureUrl` opens in a browser too.
Facts for programs: {stack_file}    Logs of the functions: {logs}/
"""


def text(facts: dict[str, Any]) -> str:
    """The text for a stack with these facts, those of stack.json."""
    return TEXT.format(**facts, stack_file=Path(facts["logs"]).parent / "stack.json")

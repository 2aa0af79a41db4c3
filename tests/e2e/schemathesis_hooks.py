"""What Schemathesis cannot know from the native API's document: who and what is there."""

import json
import os
import re
import uuid
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.generation.meta import TestPhase
from tests.e2e.conftest import Client

CLIENT = Client(json.loads(Path(os.environ["STACK_FILE"]).read_text()))
USER_ID = os.environ["USER_ID"]  # whose the token is
USERS = "/api/v1/shared/users"


# What the pattern of a name lets through, for it ends at U+FFFF and looks at no neighbour.
UNRULED = re.compile("[\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\U00010000-\U0010ffff]")


@schemathesis.hook
def filter_body(_: HookContext, body: Any) -> bool:
    """Leave out names that the service may refuse though the document does not."""
    names = [body.get(each) for each in ("firstName", "lastName")] if isinstance(body, dict) else []
    return not any(isinstance(each, str) and UNRULED.search(each) for each in names)


@schemathesis.hook
def before_call(_: HookContext, case: Case[Any], __: dict[str, Any]) -> None:
    """Let a request meet a user and an upload that are there."""
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex  # repeating is another test's
    if isinstance(case.body, dict) and "kind" in case.body and not case.body.get("userId"):
        case.body["userId"] = USER_ID
    if "cursor" in (case.query or {}):
        del case.query["cursor"]  # only what was answered is one
    parameters = case.path_parameters or {}
    if "user_id" in parameters and (not is_stateful(case) or parameters["user_id"] == USER_ID):
        parameters["user_id"] = CLIENT.create_user()["id"]
    if "upload_id" in parameters and not is_stateful(case):
        form = CLIENT.upload_form(CLIENT.key, b"a photo", userId=USER_ID)
        parameters["upload_id"] = form["uploadId"]


@schemathesis.hook
def after_call(_: HookContext, case: Case[Any], answer: schemathesis.Response) -> None:
    """Let the next request have the e-mail address, username and external id that this one had."""
    if is_stateful(case) or case.method not in ("POST", "PATCH") or answer.status_code >= 300:
        return
    user_id = answer.json().get("id")
    if user_id == USER_ID:
        unique = {"email": f"{uuid.uuid4()}@example.com", "username": None, "externalId": None}
        CLIENT.http.patch(f"{USERS}/{USER_ID}", json=unique, headers=CLIENT.key)
    elif user_id:
        CLIENT.http.delete(f"{USERS}/{user_id}", headers=CLIENT.key)


def is_stateful(case: Case[Any]) -> bool:
    """Whether a request is about what others before it have made."""
    return bool(case.meta and case.meta.phase.name is TestPhase.STATEFUL)

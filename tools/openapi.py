"""The native API as an OpenAPI 3.1 document, generated from the code that reads and renders it.

    make openapi

writes `openapi.json` into the package, which the service serves as it is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from vignette import errors, settings
from vignette.images.messages import Reason
from vignette.native import errors as problems
from vignette.native import queries, requests, responses

FILE = Path(responses.__file__).with_name("openapi.json")

type Failure = errors.VignetteError | type[errors.VignetteError]

_NO_USER = errors.NotFound("user")
_NO_UPLOAD = errors.NotFound("upload")
_UNREADABLE: tuple[Failure, ...] = (errors.Malformed, errors.TooLarge, errors.Invalid)
_UNUSABLE: tuple[Failure, ...] = (
    errors.UploadNotReady,
    errors.UploadInUse,
    errors.UploadWrongScope,
    errors.UploadWrongKind,
)
_UNUSABLE_PHOTO = tuple(errors.UnusablePhoto(reason) for reason in get_args(Reason))
_REPEATED: tuple[Failure, ...] = (errors.IdempotencyKeyInUse, errors.IdempotencyKeyReused)
_COMMON: tuple[Failure, ...] = (errors.Unauthenticated, errors.Unavailable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one route takes and answers; `problems` come on top of those that all have.

    One that is `repeatable` takes an `Idempotency-Key`.
    """

    id: str
    summary: str
    credentials: tuple[str, ...] = ()
    body: type | None = None
    status: HTTPStatus = HTTPStatus.OK
    answer: type | None = None
    problems: tuple[Failure, ...] = ()
    repeatable: bool = False
    query: Mapping[str, dict[str, Any]] = field(default_factory=dict)


OPERATIONS = {
    "POST /api/v1/shared/users": Operation(
        id="createUser",
        summary="Create a user",
        credentials=("secretKey",),
        body=requests.NewUser,
        status=HTTPStatus.CREATED,
        answer=responses.User,
        problems=(errors.Forbidden, *_UNREADABLE, errors.Taken, *_REPEATED),
        repeatable=True,
    ),
    "GET /api/v1/shared/users": Operation(
        id="findUsers",
        summary="Find the user who has a value, or list all, newest first",
        credentials=("secretKey",),
        query={
            **{name: {"type": "string"} for name in queries.FILTERS},
            "limit": {
                "type": "integer",
                "minimum": 1,
                "maximum": queries.MAX_LIMIT,
                "default": queries.DEFAULT_LIMIT,
            },
            "cursor": {"type": "string", "description": "A `nextCursor` of an answer."},
        },
        answer=responses.Users,
        problems=(errors.Forbidden, errors.Invalid),
    ),
    "GET /api/v1/shared/users/{user_id}": Operation(
        id="getUser",
        summary="Read a user",
        credentials=("secretKey",),
        answer=responses.User,
        problems=(errors.Forbidden, _NO_USER),
    ),
    "PATCH /api/v1/shared/users/{user_id}": Operation(
        id="updateUser",
        summary="Change a user: what is absent stays, null clears",
        credentials=("secretKey",),
        body=requests.UserPatch,
        answer=responses.User,
        problems=(errors.Forbidden, _NO_USER, *_UNREADABLE, errors.Taken),
    ),
    "DELETE /api/v1/shared/users/{user_id}": Operation(
        id="deleteUser",
        summary="Delete a user with their uploads and pictures",
        credentials=("secretKey",),
        status=HTTPStatus.NO_CONTENT,
        problems=(errors.Forbidden, _NO_USER),
    ),
    "GET /api/v1/users/me": Operation(
        id="getMe",
        summary="Read the calling user",
        credentials=("userToken",),
        answer=responses.User,
        problems=(errors.Forbidden, errors.UserNotActive, _NO_USER),
    ),
    "PATCH /api/v1/users/me": Operation(
        id="updateMe",
        summary="Change the calling user: `firstName`, `lastName` and `username`",
        credentials=("userToken",),
        body=requests.UserPatch,
        answer=responses.User,
        problems=(errors.Forbidden, errors.UserNotActive, _NO_USER, *_UNREADABLE, errors.Taken),
    ),
    "POST /api/v1/uploads": Operation(
        id="createUpload",
        summary="Get a form for a photo; with the secret key, `userId` says whose it is",
        credentials=("secretKey", "userToken"),
        body=requests.NewUpload,
        status=HTTPStatus.CREATED,
        answer=responses.UploadForm,
        problems=(
            errors.Forbidden,
            errors.UserNotActive,
            errors.TooManyUploads,
            _NO_USER,
            *_UNREADABLE,
            *_REPEATED,
        ),
        repeatable=True,
    ),
    "GET /api/v1/uploads/{upload_id}": Operation(
        id="getUpload",
        summary="Read an upload",
        credentials=("secretKey", "userToken"),
        answer=responses.Upload,
        problems=(errors.UserNotActive, _NO_USER, _NO_UPLOAD),
    ),
    "PATCH /api/v1/uploads/{upload_id}": Operation(
        id="updateUpload",
        summary="Frame an upload anew before it is a picture; null leaves the crop to the service",
        credentials=("secretKey", "userToken"),
        body=requests.UploadChanges,
        answer=responses.Upload,
        problems=(
            errors.UserNotActive,
            _NO_USER,
            _NO_UPLOAD,
            *_UNREADABLE,
            *_UNUSABLE_PHOTO,
            errors.UploadNotReady,
            errors.UploadInUse,
            errors.TooManyFramings,
        ),
    ),
    "DELETE /api/v1/uploads/{upload_id}": Operation(
        id="deleteUpload",
        summary="Delete an upload that is not a picture",
        credentials=("secretKey", "userToken"),
        status=HTTPStatus.NO_CONTENT,
        problems=(errors.UserNotActive, _NO_USER, _NO_UPLOAD, errors.UploadInUse),
    ),
    "PATCH /api/v1/shared/users/{user_id}/profile-picture": Operation(
        id="setPicture",
        summary="Make an upload a user's picture; null removes the custom picture",
        credentials=("secretKey",),
        body=requests.NewPicture,
        answer=responses.User,
        problems=(errors.Forbidden, _NO_USER, _NO_UPLOAD, *_UNREADABLE, *_UNUSABLE),
    ),
    "PATCH /api/v1/users/me/profile-picture": Operation(
        id="setMyPicture",
        summary="Make an upload the calling user's picture; null removes the custom picture",
        credentials=("userToken",),
        body=requests.NewPicture,
        answer=responses.User,
        problems=(
            errors.Forbidden,
            errors.UserNotActive,
            _NO_USER,
            _NO_UPLOAD,
            *_UNREADABLE,
            *_UNUSABLE,
        ),
    ),
    "GET /api/v1/openapi.json": Operation(
        id="getDocument", summary="Read this document", answer=dict[str, Any]
    ),
}

_DESCRIPTION = (
    "User profiles and profile pictures. The secret key may act on any user, a user's token on "
    "its own subject; to a user, somebody else's upload does not exist. Errors are problem "
    "documents (RFC 9457) with a stable `code`."
)
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Sent again with the same key and body, a call finds what the first one made",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": settings.MAX_IDEMPOTENCY_KEY_CHARACTERS,
    },
}
# What API Gateway may answer to any request, before the service is asked.
_BY_GATEWAY = {
    HTTPStatus.FORBIDDEN: "API Gateway refuses the request, such as for a malformed header",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the request has more than 10 MB",
    HTTPStatus.TOO_MANY_REQUESTS: "the route is called too often",
}
_GATEWAYS_WORDS = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {"message": {"type": "string"}},
            "required": ["message"],
        }
    }
}
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: "WWW-Authenticate",
    HTTPStatus.SERVICE_UNAVAILABLE: "Retry-After",
    HTTPStatus.TOO_MANY_REQUESTS: "Retry-After",
}
_FORMATS = {"DateTime": "date-time", "Url": "uri", "Uuid": "uuid"}


class _Schemas(GenerateJsonSchema):
    """Schemas without the titles that pydantic makes up from the names of fields."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """Never."""
        return False


def document() -> dict[str, Any]:
    """The whole document."""
    schemas, components = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    answers: dict[str, Any] = {
        _gateways_name(status): {"description": description, "content": _GATEWAYS_WORDS}
        for status, description in _BY_GATEWAY.items()
    }
    for route, operation in OPERATIONS.items():
        method, path = route.split()
        success: dict[str, Any] = {"description": operation.status.phrase}
        if operation.answer:
            success["content"] = {"application/json": {"schema": schemas[operation.answer]}}
        described: dict[str, Any] = {
            "operationId": operation.id,
            "summary": operation.summary,
            "security": [{name: []} for name in operation.credentials],
            "responses": {str(operation.status.value): success},
        }
        parameters: list[dict[str, Any]] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", path)
        ]
        parameters += (
            {"name": name, "in": "query", "schema": schema}
            for name, schema in operation.query.items()
        )
        if operation.repeatable:
            parameters.append(_IDEMPOTENCY_KEY)
        if parameters:
            described["parameters"] = parameters
        if operation.body:
            content = {"application/json": {"schema": schemas[operation.body]}}
            described["requestBody"] = {"required": True, "content": content}
        for status, codes in _problems(operation):
            name = "-".join(codes)
            answers[name] = _problem(status, codes, schemas[problems.Problem])
            described["responses"][str(status.value)] = {"$ref": f"#/components/responses/{name}"}
        for status in _BY_GATEWAY:
            reference = {"$ref": f"#/components/responses/{_gateways_name(status)}"}
            described["responses"].setdefault(str(status.value), reference)
        paths.setdefault(path, {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vignette", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],  # wherever the document was read from
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": answers,
            "securitySchemes": {
                "secretKey": {"type": "http", "scheme": "bearer"},
                "userToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _problems(operation: Operation) -> list[tuple[HTTPStatus, list[str]]]:
    """The codes of the problems that an operation may answer with, by status."""
    found: dict[HTTPStatus, list[str]] = {}
    for each in (*_COMMON, *operation.problems) if operation.credentials else ():
        status = errors.entry_for(problems.STATUS, each)
        found.setdefault(status, []).append(each.code)
    return sorted(found.items())


def _problem(status: HTTPStatus, codes: list[str], schema: dict[str, Any]) -> dict[str, Any]:
    exact = {"properties": {"status": {"const": status.value}, "code": {"enum": codes}}}
    answer: dict[str, Any] = {
        "description": status.phrase,
        "content": {"application/problem+json": {"schema": {"allOf": [schema, exact]}}},
    }
    if header := _HEADERS.get(status):
        always = status not in _BY_GATEWAY
        answer["headers"] = {header: {"required": always, "schema": {"type": "string"}}}
    if status in _BY_GATEWAY:
        answer["description"] += f"; or {_BY_GATEWAY[status]}"
        answer["content"] |= _GATEWAYS_WORDS
    return answer


def _gateways_name(status: HTTPStatus) -> str:
    return f"gateway-{status.value}"


def _schemas() -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """The schema of every type that is read or answered, and the components these refer to."""
    types: dict[Any, Literal["validation", "serialization"]] = {}
    for operation in OPERATIONS.values():
        types |= {operation.body: "validation"} if operation.body else {}
        types |= {operation.answer: "serialization"} if operation.answer else {}
    types[problems.Problem] = "serialization"
    generated, definitions = TypeAdapter.json_schemas(
        [(each, mode, TypeAdapter(each)) for each, mode in types.items()],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    components: dict[str, Any] = definitions["$defs"]
    for name, format_ in _FORMATS.items():
        components[name]["format"] = format_
    new_upload = components["NewUpload"]["properties"]
    new_upload["contentLength"]["anyOf"][0]["maximum"] = settings.MAX_UPLOAD_BYTES
    for name, component in components.items():
        for each in component.get("properties", {}).values():
            # Generators of clients take what has a default as if it were always there.
            default = each.pop("default", None)
            if default is not None and name != "UserPatch":  # where absent is unchanged
                each["description"] = f"`{json.dumps(default)}` if it is left out."
    return {each: generated[each, mode] for each, mode in types.items()}, components


def text() -> str:
    """The document as the file has it."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())

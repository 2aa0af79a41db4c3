"""Execute a GraphQL request within limits, and put its errors into Authgear's words."""

import json
from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
    execute_sync,
    parse,
    validate,
)

from vignette.authgear.errors import ApiError, described
from vignette.authgear.resolvers import Context
from vignette.authgear.schema import schema
from vignette.errors import VignetteError
from vignette.runtime.telemetry import count, logger

# A query for everything that the schema has needs 5 levels, introspection as tools do it 14.
MAX_DEPTH = 16
# Every alias is one more lookup, or one more change.
MAX_ALIASES = 20
# Introspection as GraphiQL does it takes 300.
MAX_TOKENS = 1000
_MAX_VALIDATION_ERRORS = 20


def read_request(content_type: str, body: bytes) -> dict[str, Any]:
    """The query, variables and operation name of a request.

    Raises:
        ApiError: The body is not such a request.
    """
    try:
        text = body.decode()
        if content_type.partition(";")[0].strip().lower() == "application/graphql":
            return {"query": text}
        request = _parsed(text)
        if isinstance(request, dict) and isinstance(request.get("variables"), str):
            request["variables"] = _parsed(request["variables"]) if request["variables"] else None
        # Half of a surrogate pair is not a character, and can neither be stored nor sent.
        json.dumps(request, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ApiError("BadRequest", "InvalidJSON", "the body is not valid JSON") from None
    wanted = {"query": str, "variables": dict | None, "operationName": str | None}
    if not isinstance(request, dict) or not all(
        isinstance(request.get(name), kind) for name, kind in wanted.items()
    ):
        raise ApiError(
            "BadRequest",
            "BadRequest",
            "the body must be an object with a query and, where needed, variables and "
            "operationName",
        )
    return request


def execute(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The response to a request; whatever goes wrong is an error in it."""
    try:
        document = parse(request["query"], max_tokens=MAX_TOKENS)
    except GraphQLError as error:
        return {"errors": [_with_extensions(error)]}
    errors = validate(schema(), document, max_errors=_MAX_VALIDATION_ERRORS)
    errors = errors or _exceeded(document)
    if errors:
        return {"errors": [_with_extensions(error) for error in errors]}
    result = execute_sync(
        schema(),
        document,
        context_value=context,
        variable_values=request.get("variables"),
        operation_name=request.get("operationName"),
    )
    assert isinstance(result, ExecutionResult)  # noqa: S101  (no resolver is asynchronous)
    response: dict[str, Any] = {}
    if result.errors:
        response["errors"] = [_with_extensions(error) for error in result.errors]
    return response | {"data": result.data}


def _with_extensions(error: GraphQLError) -> dict[str, Any]:
    """An error as GraphQL formats it, with what Authgear adds to its own."""
    answer = dict(error.formatted)
    original = error.original_error
    if original is None or isinstance(original, GraphQLError):
        return answer
    if not isinstance(original, VignetteError):
        logger.error("unexpected error", exc_info=original, path=error.path)
        count("ServerErrors")
    found = described(original if isinstance(original, VignetteError) else None)
    extensions: dict[str, Any] = {"errorName": found.name, "reason": found.reason}
    if found.info:
        extensions["info"] = found.info
    return answer | {"message": found.message, "extensions": extensions}


def _exceeded(document: DocumentNode) -> list[GraphQLError]:
    """The limits that a valid document exceeds; a fragment counts wherever it is used."""
    fragments = {
        each.name.value: each
        for each in document.definitions
        if isinstance(each, FragmentDefinitionNode)
    }
    measure = _Measure(fragments)
    errors = []
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        depth, aliases = measure(operation.selection_set)
        if depth > MAX_DEPTH:
            errors.append(GraphQLError(f"The query is deeper than {MAX_DEPTH} levels.", operation))
        if aliases > MAX_ALIASES:
            errors.append(GraphQLError(f"More than {MAX_ALIASES} aliases are used.", operation))
    return errors


class _Measure:
    """Measures selections, every fragment once."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._measured: dict[str, tuple[int, int]] = {}

    def __call__(self, selections: SelectionSetNode | None) -> tuple[int, int]:
        """The depth of selections, and the aliases in them."""
        depth = aliases = 0
        for selection in selections.selections if selections else ():
            if isinstance(selection, FragmentSpreadNode):
                below, more = self._fragment(selection.name.value)
            elif isinstance(selection, FieldNode):
                below, more = self(selection.selection_set)
                below, more = below + 1, more + bool(selection.alias)
            else:
                below, more = self(selection.selection_set)  # type: ignore[attr-defined]
            depth, aliases = max(depth, below), aliases + more
        return depth, aliases

    def _fragment(self, name: str) -> tuple[int, int]:
        if name not in self._measured:
            self._measured[name] = self(self._fragments[name].selection_set)
        return self._measured[name]


def _parsed(text: str) -> Any:  # noqa: ANN401
    """JSON without the numbers that only Python's parser accepts."""
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _refuse(text: str) -> float:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(text)
    return number

"""Requests and responses of the HTTP API, which has chosen the route before it calls us."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote

from vignette import settings
from vignette.adapters import deadline
from vignette.errors import Malformed, TooLarge, VignetteError
from vignette.http.access import Caller, authenticate, authenticate_admin
from vignette.http.audit import audit
from vignette.runtime.startup import preload
from vignette.runtime.telemetry import count, finish, logger

# Path parameters that name the target of a request, for the audit log.
_TARGETS = ("user_id", "upload_id", "object_id", "email_address_id", "phone_number_id")

_PIXELS = re.compile(r"0*([1-9][0-9]{0,99})", re.ASCII)


class Request:
    """One request, read from an event of API Gateway (HTTP API, payload format 2.0).

    `context` is what the Lambda runtime passes beside it.
    """

    def __init__(self, event: Mapping[str, Any], context: Any) -> None:  # noqa: ANN401
        self._event = event
        self.context = context
        # For the audit log: who acts where there is no caller, and what was created.
        self.actor: str | None = None
        self.target: str | None = None

    @property
    def id(self) -> str:
        """The request id that API Gateway gave."""
        return str(self._event["requestContext"]["requestId"])

    @property
    def route(self) -> str:
        """The route that was chosen, as `METHOD /path/{parameter}`."""
        return str(self._event["routeKey"])

    @property
    def method(self) -> str:
        """The method that the client sent, where the route is one for any method."""
        return str(self._event["requestContext"]["http"]["method"])

    @property
    def full_path(self) -> str:
        """The path that the client sent, where the route is one for any path."""
        return str(self._event["requestContext"]["http"]["path"])

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers by lower-case name."""
        headers: Mapping[str, str] = self._event.get("headers") or {}
        return headers

    @property
    def query(self) -> list[tuple[str, str]]:
        """Names and values of the query, in order, repeated ones too."""
        return parse_qsl(self._event.get("rawQueryString") or "", keep_blank_values=True)

    @property
    def origin(self) -> str:
        """The scheme and host of the API, without a slash at the end.

        Never from a header, which a client can set to anything.
        """
        return settings.public_origin() or f"https://{self._event['requestContext']['domainName']}"

    @property
    def wanted_pixels(self) -> int | None:
        """The larger of `width` and `height` in the query: how large a picture has to be.

        None if the query has neither as a number.
        """
        sides = [
            int(number[1])
            for name, value in self.query
            if name in ("width", "height") and (number := _PIXELS.fullmatch(value))
        ]
        return max(sides, default=None)

    def path(self, name: str) -> str:
        """A parameter of the path.

        API Gateway decodes a path before it chooses a route, other servers of such events do not.
        No id has a percent sign, so that decoding twice changes nothing.
        """
        return unquote(str(self._event["pathParameters"][name]))

    @cached_property
    def caller(self) -> Caller:
        """Who sent the request.

        Raises:
            Unauthenticated: There are no credentials, or they are not valid.
            Unavailable: Keys cannot be read.
        """
        return authenticate(self.headers.get("authorization"))

    @property
    def who(self) -> str:
        """Who acts: a user's id or a role; `anonymous` until credentials are verified."""
        if self.actor or not self._is_caller_known:
            return self.actor or "anonymous"
        return self.caller.user_id or "secret_key"

    @property
    def whom(self) -> str | None:
        """The id of the user or object that the request is about, as far as it is known.

        Until credentials are verified it is not: an anonymous caller can name anything.
        """
        if not (self.actor or self._is_caller_known):
            return None
        parameters = self._event.get("pathParameters") or {}
        named = next((self.path(each) for each in _TARGETS if each in parameters), None)
        own = self.caller.user_id if self._is_caller_known else None
        return self.target or named or own

    @property
    def _is_caller_known(self) -> bool:
        """Whether `caller` was asked for, and credentials are valid."""
        return "caller" in self.__dict__

    def authenticate_admin(self) -> None:
        """Check that the caller may use the Admin API.

        Raises:
            Unauthenticated: There are no credentials, or they are not valid.
            Unavailable: Keys cannot be read.
        """
        authenticate_admin(self.headers.get("authorization"))
        self.actor = "admin_api"

    def body(self, *, max_bytes: int) -> bytes:
        """The body as it was sent.

        Raises:
            TooLarge: It has more than `max_bytes`.
            Malformed: It is not the base64 that the event says.
        """
        text = self._event.get("body") or ""
        if not self._event.get("isBase64Encoded"):
            body = text.encode(errors="surrogatepass")
        else:
            try:
                body = base64.b64decode(text, validate=True)
            except binascii.Error:
                raise Malformed("The body is not valid base64.") from None
        if len(body) > max_bytes:
            raise TooLarge(f"The body is larger than {max_bytes} bytes.")
        return body


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent back: bytes or text as they are, None as an empty body, the rest as JSON."""

    status: int
    content: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def to_event(self, request_id: str) -> dict[str, Any]:
        """The response in API Gateway's terms."""
        headers = {
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "x-request-id": request_id,
            **self.headers,
        }
        answer = {"statusCode": self.status, "headers": headers}
        if self.content is None:
            return answer
        headers["content-type"] = self.content_type
        match self.content:
            case bytes() as content:
                body = base64.b64encode(content).decode()
                return {**answer, "body": body, "isBase64Encoded": True}
            case str() as content:
                return {**answer, "body": content}
            case content:
                body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
                return {**answer, "body": body}


type Route = Callable[[Request], Response]


class Api:
    """A Lambda handler that answers the routes of one function.

    `routes` maps the route keys of `template.yaml` to functions; `render_error` puts an error
    into the words of a wire format, None stands for one that nobody expected; `lazy` are modules
    that only some of the routes import. All requests but GET are logged as changes, unless the
    routes change nothing or do that themselves (`audited` is false).

    >>> handler = Api({"GET /api/v1/users/me": read_me}, render)
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        render_error: Callable[[VignetteError | None], Response],
        lazy: Sequence[str] = (),
        *,
        audited: bool = True,
    ) -> None:
        self.routes = routes
        self._audited = audited
        self._render_error = render_error
        preload(*lazy)

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401
        """Answer one event of API Gateway."""
        request = Request(event, context)
        logger.append_keys(request_id=request.id, function_request_id=context.aws_request_id)
        deadline.begin(context.get_remaining_time_in_millis())
        code = None
        try:
            response = self.routes[request.route](request)
        except VignetteError as error:
            code = error.code
            response = self._render_error(error)
        except Exception:
            logger.exception("unexpected error", route=request.route)
            code = "internal_error"
            response = self._render_error(None)
        if request.route.startswith("GET ") or not self._audited:
            logger.info("answered", route=request.route, status=response.status, code=code)
        else:
            audit(
                who=request.who,
                whom=request.whom,
                kind=request.route,
                outcome=code or "done",
                status=response.status,
            )
        count("Requests")
        if response.status >= 500:
            count("ServerErrors")
        finish()
        return response.to_event(request.id)

"""Unknown: what no route leads to; Clerk's words below /v1/, else those of the native API."""

from dataclasses import replace

from vignette import errors
from vignette.clerk.errors import render as render_for_clerk
from vignette.http.api import Api, Request, Response
from vignette.native.errors import render

# The methods of each path but Authgear's, as in template.yaml.
METHODS = {
    "/api/v1/shared/users": ("GET", "POST"),
    "/api/v1/shared/users/{user_id}": (
        "GET",
        "PATCH",
        "DELETE",
    ),
    "/api/v1/users/me": (
        "GET",
        "PATCH",
    ),
    "/api/v1/openapi.json": ("GET",),
    "/api/v1/uploads": ("POST",),
    "/api/v1/uploads/{upload_id}": (
        "GET",
        "DELETE",
        "PATCH",
    ),
    "/api/v1/shared/users/{user_id}/profile-picture": ("PATCH",),
    "/api/v1/users/me/profile-picture": ("PATCH",),
    "/pictures/{user_id}": ("GET",),
    "/renditions/{upload_id}/{digest}/{file}": ("GET",),
    "/avatars/{colour}/{file}": ("GET",),
    "/elements/vignette.js": ("GET",),
    "/elements/{digest}/vignette.js": ("GET",),
    "/v1/jwks": ("GET",),
    "/v1/users": (
        "GET",
        "POST",
    ),
    "/v1/users/count": ("GET",),
    "/v1/users/{user_id}": (
        "GET",
        "PATCH",
        "DELETE",
    ),
    "/v1/users/{user_id}/metadata": (
        "PUT",
        "PATCH",
    ),
    "/v1/users/{user_id}/profile_image": (
        "DELETE",
        "POST",
    ),
    "/v1/users/{user_id}/verify_password": ("POST",),
    "/v1/users/{user_id}/ban": ("POST",),
    "/v1/users/{user_id}/unban": ("POST",),
    "/v1/users/{user_id}/lock": ("POST",),
    "/v1/users/{user_id}/unlock": ("POST",),
    "/v1/email_addresses": ("POST",),
    "/v1/email_addresses/{email_address_id}": (
        "GET",
        "PATCH",
        "DELETE",
    ),
    "/v1/phone_numbers": ("POST",),
    "/v1/phone_numbers/{phone_number_id}": (
        "GET",
        "PATCH",
        "DELETE",
    ),
}


def answer(request: Request) -> Response:
    """`$default`: 404, or 405 where the path has other methods (RFC 9110, section 15.5.6)."""
    words = render_for_clerk if request.full_path.startswith("/v1/") else render
    allowed = sorted(
        {
            method
            for path, methods in METHODS.items()
            if _matches(path, request.full_path)
            for method in methods
        }
    )
    if not allowed:
        return words(errors.NotFound("route"))
    response = words(errors.MethodNotAllowed(allowed))
    return replace(response, headers={**response.headers, "allow": ", ".join(allowed)})


def _matches(path: str, sent: str) -> bool:
    """Whether a path was sent; a parameter in braces stands for anything but nothing."""
    known, given = path.split("/"), sent.split("/")
    return len(known) == len(given) and all(
        bool(part) if name.startswith("{") else name == part
        for name, part in zip(known, given, strict=True)
    )


handler = Api({"$default": answer}, render, audited=False)  # nothing is changed

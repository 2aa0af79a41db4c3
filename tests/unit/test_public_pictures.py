"""What is public is public on purpose: an address answers for somebody's picture, and for no more.

`PublicPictures=false` takes the routes away, and every wire format gives signed addresses.
"""

from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.template import functions, resource, template
from tests.unit.authgear import causes, get, node, update, uploaded, uri
from tests.unit.clerk import Clerk
from tests.unit.conftest import Service
from tests.wire import unsigned

PUBLIC_ROUTES = {
    "/renditions/{upload_id}/{digest}/{file}",
    "/avatars/{colour}/{file}",
    "/_images/{app_id}/{object_id}/{option}",
}
ELEMENTS = {"GET /elements/vignette.js", "GET /elements/{digest}/vignette.js"}


@pytest.fixture
def private(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_PICTURES", "false")


def unset_address(service: Service, upload_id: str) -> str:
    answer = service.with_key("GET", f"/api/v1/uploads/{upload_id}")
    return unsigned(answer.json["renditions"][0]["url"])


def test_an_upload_that_was_never_set_is_public_nowhere(service: Service) -> None:
    upload_id = service.ready_upload(service.create_user()["id"])
    assert service.call("GET", unset_address(service, upload_id)).status == 404
    for object_id in (upload_id, uploaded(service)):
        assert get(service, object_id).status == 404


def test_a_picture_is_public_for_as_long_as_it_is_one(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    path = unsigned(service.read_user(user_id)["profilePictureUrl"])
    shown = service.call("GET", path)
    assert shown.status == get(service, upload_id).status == 200
    assert shown.headers["cache-control"] == "public, max-age=31536000, s-maxage=300, immutable"
    # The objects are still there: the stream of the table has told nobody yet.
    service.set_picture(user_id, None)
    assert service.objects()
    gone = service.call("GET", path)
    assert gone.status == get(service, upload_id).status == 404
    assert gone.headers["cache-control"] == "no-store"


def test_a_deleted_user_s_picture_is_gone_at_once(service: Service) -> None:
    user_id, upload_id = service.user_with_picture()
    path = unsigned(service.read_user(user_id)["profilePictureUrl"])
    assert service.with_key("DELETE", f"/api/v1/shared/users/{user_id}").status == 204
    assert service.call("GET", path).status == get(service, upload_id).status == 404


def test_a_public_picture_costs_one_read_and_its_bytes(service: Service) -> None:
    user_id, _ = service.user_with_picture()
    path = unsigned(service.read_user(user_id)["profilePictureUrl"])
    service.calls.clear()
    service.call("GET", path)
    assert service.calls == ["GetItem", "GetObject"]


# Without public pictures


def picture_of(service: Service, user_id: str) -> Any:
    return node(service, user_id, "standardAttributes")["standardAttributes"].get("picture")


def is_signed(address: str) -> bool:
    return "X-Amz-Signature=" in address and "pictures" in address


@pytest.mark.usefixtures("private")
def test_every_wire_format_gives_signed_addresses(service: Service, clerk: Clerk) -> None:
    user_id, _ = service.user_with_picture()
    assert is_signed(clerk.read(user_id)["image_url"])
    assert is_signed(picture_of(service, user_id))
    assert is_signed(service.read_user(user_id)["profilePictureUrl"])


@pytest.mark.usefixtures("private")
def test_initials_stay_public(clerk: Clerk, service: Service) -> None:
    address = clerk.create(first_name="Ada")["image_url"]
    assert service.call("GET", urlsplit(address).path).status == 200


def addresses(service: Service, user_id: str) -> list[str]:
    """The addresses of a user's picture in every form that the service has given."""
    public = picture_of(service, user_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUBLIC_PICTURES", "false")
        signed = picture_of(service, user_id)
    square = f"https://api.example.com{unsigned(signed)}"
    return [
        *(public, f"{public}?width=64", square, f"{square}?width=64#x"),
        *(signed, signed.partition("?")[0], f"{signed}0"),
    ]


def test_a_picture_that_is_sent_back_is_the_same_whatever_its_query(service: Service) -> None:
    user_id = service.create_user()["id"]
    update(service, user_id, {"picture": uri(uploaded(service))})
    before = service.everything()
    for address in addresses(service, user_id):
        assert "errors" not in update(service, user_id, {"picture": address})
        assert service.everything() == before


def test_a_picture_of_somebody_else_s_is_refused_in_every_form(service: Service) -> None:
    other, _ = service.user_with_picture()
    user_id = service.create_user()["id"]
    for address in addresses(service, other):
        answer = update(service, user_id, {"picture": address})
        assert causes(answer)
    assert service.read_user(user_id)["hasCustomProfilePicture"] is False


def test_what_only_looks_like_a_rendition_is_an_address_elsewhere(service: Service) -> None:
    _, upload_id = service.user_with_picture()
    user_id = service.create_user()["id"]
    address = f"https://elsewhere.example/renditions/{upload_id}/{'0' * 32}/512.webp"
    update(service, user_id, {"picture": address})
    assert service.read_user(user_id)["profilePictureUrl"] == address


@pytest.mark.usefixtures("private")
def test_an_object_is_set_by_its_uri_too(service: Service) -> None:
    user_id = service.create_user()["id"]
    update(service, user_id, {"picture": uri(uploaded(service))})
    assert is_signed(picture_of(service, user_id))


# The template


def test_without_public_pictures_the_routes_of_photos_are_not_there() -> None:
    assert template()["Parameters"]["PublicPictures"]["Default"] == "true"
    shows_photos = {
        name
        for name, properties in functions().items()
        if any(
            event["Properties"].get("Path") in PUBLIC_ROUTES - {"/avatars/{colour}/{file}"}
            for event in properties.get("Events", {}).values()
        )
    }
    conditional = {
        each["Properties"]["CodeUri"].removeprefix("functions/")
        for each in template()["Resources"].values()
        if each.get("Condition") == "HasPublicPictures"
    }
    assert conditional == shows_photos == {"renditions", "authgear_images"}


def test_functions_that_would_sign_addresses_may_do_so_only_then() -> None:
    for name in ("clerk", "clerk_pictures", "authgear_graphql"):
        [policy] = functions()[name]["Policies"]
        [(condition, nothing, allowed)] = [
            each["Fn::If"] for each in policy["Statement"] if "Fn::If" in each
        ]
        assert (condition, nothing) == ("HasPublicPictures", {"Ref": "AWS::NoValue"})
        assert allowed["Action"] == "s3:GetObject"


def test_a_cdn_asks_the_public_routes_and_reads_no_bucket() -> None:
    document = template()
    assert document["Parameters"]["PicturesCdn"]["Default"] == "false"
    assert document["Conditions"]["HasPicturesCdn"]["Fn::And"][0] == {
        "Condition": "HasPublicPictures"
    }
    config = resource("PicturesDistribution")["DistributionConfig"]
    assert config["PriceClass"] == {"Ref": "PicturesCdnPriceClass"}
    [origin] = config["Origins"]
    assert origin["DomainName"]["Fn::Sub"].startswith("${PicturesApi}.execute-api.")
    keys = {
        each["Properties"]["RouteKey"]
        for each in document["Resources"].values()
        if each["Type"] == "AWS::ApiGatewayV2::Route"
    }
    assert keys == {f"GET {path}" for path in PUBLIC_ROUTES}
    assert all(
        each["Condition"] == "HasPicturesCdn"
        for name, each in document["Resources"].items()
        if name.startswith("Pictures") and name != "Pictures"
    )
    statements = resource("BucketPolicy")["PolicyDocument"]["Statement"]
    assert [each["Effect"] for each in statements] == ["Deny"]


def test_a_cdn_keeps_what_is_named_by_path_width_and_height_for_five_minutes() -> None:
    config = resource("PicturesCache")["CachePolicyConfig"]
    key = config["ParametersInCacheKeyAndForwardedToOrigin"]
    assert config["MaxTTL"] == 300
    assert key["QueryStringsConfig"]["QueryStrings"] == ["width", "height"]
    assert key["HeadersConfig"] == {"HeaderBehavior": "none"}
    assert key["CookiesConfig"] == {"CookieBehavior": "none"}


def test_with_a_cdn_the_same_pages_may_read_pictures_as_without() -> None:
    behaviour = resource("PicturesDistribution")["DistributionConfig"]["DefaultCacheBehavior"]
    assert behaviour["ResponseHeadersPolicyId"] == {"Ref": "PicturesHeaders"}
    config = resource("PicturesHeaders")["ResponseHeadersPolicyConfig"]
    assert config.keys() == {"Name", "Comment", "CorsConfig"}  # no header but those of CORS
    by_cdn, by_api = config["CorsConfig"], template()["Globals"]["HttpApi"]["CorsConfiguration"]
    for name in ("Origins", "Headers"):
        assert by_cdn[f"AccessControlAllow{name}"]["Items"] == by_api[f"Allow{name}"]
    assert by_cdn["AccessControlExposeHeaders"]["Items"] == by_api["ExposeHeaders"]
    assert by_cdn["AccessControlMaxAgeSec"] == by_api["MaxAge"]


def test_public_routes_and_uploads_have_throttles_of_their_own() -> None:
    condition, public, private = resource("Api")["RouteSettings"]["Fn::If"]
    assert condition == "HasPublicPictures"
    # Where an upload begins, and where a photo is decoded while a user or a signed address waits.
    uploads = {
        "POST /api/v1/uploads",
        "PATCH /api/v1/uploads/{upload_id}",
        "POST /_images/{app_id}/{object_id}",
    }
    finding = {"GET /pictures/{user_id}"}
    always = ELEMENTS | {"GET /v1/jwks"}
    pictures = {f"GET {path}" for path in PUBLIC_ROUTES} | finding
    assert public.keys() == pictures | always | uploads
    # A setting of a route that is not there is refused by API Gateway.
    assert private.keys() == {"GET /avatars/{colour}/{file}"} | always | uploads
    for routes in (public, private):
        for route, throttle in routes.items():
            kind = "Upload" if route in uploads else "PublicRequest"
            assert throttle == {
                "ThrottlingRateLimit": {"Ref": f"{kind}Rate"},
                "ThrottlingBurstLimit": {"Ref": f"{kind}Burst"},
            }


def test_the_address_of_a_user_tells_of_an_unknown_id_as_of_a_user_without_a_name(
    service: Service,
) -> None:
    user_id = "grace@example.org"

    def shown() -> str:
        answer = service.call("GET", "/pictures/grace%40example.org")
        assert answer.status == 302
        return answer.headers["location"]

    unknown = shown()
    assert service.as_user(user_id, "GET", "/api/v1/users/me").json["firstName"] is None
    assert shown() == unknown
    service.as_user(user_id, "PATCH", "/api/v1/users/me", {"firstName": "Grace"})
    assert shown() != unknown
    service.set_picture(user_id, service.ready_upload(user_id))
    with_picture = shown()
    assert "/renditions/" in with_picture
    path = "/api/v1/shared/users/grace%40example.org"
    assert service.with_key("PATCH", path, {"state": "banned"}).status == 200
    assert shown() == with_picture

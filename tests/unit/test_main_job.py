"""The main job: a photo goes in, a profile with a served picture comes out."""

import io
import urllib.parse

from PIL import Image
from tests.unit.conftest import Service


def test_a_photo_becomes_the_picture_of_a_profile(service: Service) -> None:
    user = service.create_user()
    upload_id = service.ready_upload(user["id"])
    answer = service.call(
        "PATCH",
        "/api/v1/users/me/profile-picture",
        {"uploadId": upload_id},
        token=service.token(user["id"]),
    )
    assert answer.status == 200, answer.json
    assert answer.json["hasCustomProfilePicture"] is True
    address = urllib.parse.urlsplit(answer.json["profilePictureUrl"])
    stored = service.s3.get_object(Bucket="pictures", Key=address.path.lstrip("/"))
    assert stored["ContentType"] == "image/webp"
    picture = Image.open(io.BytesIO(stored["Body"].read()))
    assert (picture.format, picture.size) == ("WEBP", (256, 256))

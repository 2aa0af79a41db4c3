"""Four thumbnails of a photo with Pillow and boto3 and nothing else: nobody is told of them."""

import io
import os
from typing import Any
from urllib.parse import unquote_plus

import boto3
from PIL import Image

s3 = boto3.client("s3")
BUCKET = os.environ["BUCKET"]


def handler(event: dict[str, Any], context: Any) -> None:
    for record in event["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        data = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        for size in (64, 128, 256, 512):
            image = Image.open(io.BytesIO(data))
            image.thumbnail((size, size))
            file = io.BytesIO()
            image.save(file, "WEBP")
            s3.put_object(
                Bucket=BUCKET,
                Key=f"bench/{key}/{size}.webp",
                Body=file.getvalue(),
                ContentType="image/webp",
            )

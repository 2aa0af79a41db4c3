"""Find what belongs to nothing any more, in the tables and in the bucket, and mend it.

    python -m tools.sweep [--apply] [--stack NAME]

is `make sweep`. Without `--apply` it only reports. What it finds it reads again before it says so,
and once more, on conditions, when it mends: it can run beside the service, be interrupted and be
repeated. It reads every item and the name of every rendition.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched, groupby
from uuid import UUID

from boto3.dynamodb.types import TypeDeserializer
from tools import deployment
from tools.deployment import Deployment

from vignette import settings
from vignette.adapters import bucket, table
from vignette.adapters.table import Attr, Item
from vignette.domain import pictures, renditions, uploads, users
from vignette.domain.ids import (
    RENDITIONS,
    is_upload_id,
    loggable,
    rendition_object_key,
    renditions_prefix,
    upload_key,
    upload_of_rendition,
    user_key,
)
from vignette.domain.model import Upload, UploadState, User
from vignette.errors import VignetteError

_BATCH = 100  # limit of AWS, in one BatchGetItem
# A photo is framed anew in seconds: its renditions are there a moment before its record names them.
_SETTLED = timedelta(hours=1)
_TELL_SECONDS = 5.0
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Finding:
    """Something that belongs to nothing: what it is, which one, and what mends it.

    `mend` may be called after it is no longer so.
    """

    kind: str
    which: str
    mend: Callable[[], object]


class Sweep:
    """Looks through a deployed stack, whose environment this process has been lent."""

    def __init__(self, target: Deployment, tell: Callable[[str], None]) -> None:
        self._dynamodb = target.client("dynamodb")
        self._s3 = target.client("s3")
        self._tell = tell
        self._whole: set[bytes] = set()  # ids of uploads that have all that their records name

    def findings(self) -> Iterator[Finding]:
        """All of them, as they are found.

        Raises:
            Unavailable: AWS did not do it.
        """
        yield from self._objects()
        yield from self._uploads()
        yield from self._users()

    def _objects(self) -> Iterator[Finding]:
        for some in batched(self._listed(), _BATCH, strict=False):
            keys = [(settings.uploads_table(), upload_key(upload_id)) for upload_id, _ in some]
            for (upload_id, found), item in zip(some, table.get_many(keys), strict=True):
                yield from _of_objects(upload_id, found, item)
                if item and not _missing(uploads.from_item(item), found):
                    self._whole.add(UUID(upload_id).bytes)

    def _listed(self) -> Iterator[tuple[str, dict[str, datetime]]]:
        """The uploads that have renditions, with the keys of those and when they were written."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=settings.bucket(), Prefix=RENDITIONS
        )
        objects = (each for page in pages for each in page.get("Contents", ()))
        counted = self._counted("renditions", objects)
        for upload_id, group in groupby(counted, lambda each: upload_of_rendition(each["Key"])):
            if upload_id:
                yield upload_id, {each["Key"]: each["LastModified"] for each in group}

    def _uploads(self) -> Iterator[Finding]:
        items = self._counted("upload records", self._items(settings.uploads_table()))
        records = (uploads.from_item(each) for each in items if is_upload_id(each["id"]))
        for some in batched((each for each in records if _counts(each)), _BATCH, strict=False):
            owners = table.get_many(
                [(settings.users_table(), user_key(str(each.user_id))) for each in some]
            )
            for upload, owner in zip(some, owners, strict=True):
                if UUID(upload.id).bytes not in self._whole:
                    yield from _of_upload(upload.id)
                if upload.in_use and not _shows(owner, upload.id):
                    yield from _of_owner(upload)

    def _users(self) -> Iterator[Finding]:
        items = self._counted("items of users", self._items(settings.users_table()))
        for some in batched(items, _BATCH, strict=False):
            yield from _of_pictures([users.from_item(each) for each in some if "picture" in each])
            yield from _of_values([each for each in some if "user_id" in each])

    def _items(self, name: str) -> Iterator[Item]:
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=name):
            for item in page["Items"]:
                yield {key: _deserialize(value) for key, value in item.items()}

    def _counted[T](self, what: str, things: Iterable[T]) -> Iterator[T]:
        """Things, while it is said now and then how many there were."""
        number, told = 0, time.monotonic()
        for number, thing in enumerate(things, 1):
            yield thing
            if time.monotonic() - told > _TELL_SECONDS:
                told = time.monotonic()
                self._tell(f"{number:,} {what} looked at so far")
        self._tell(f"{number:,} {what} looked at")


def _of_objects(
    upload_id: str, found: Mapping[str, datetime], item: Item | None
) -> Iterator[Finding]:
    """What is wrong with the renditions of an upload, by its record."""
    if item is None:
        # A record is there before its first rendition, and never comes back.
        yield Finding(
            "renditions without a record", upload_id, partial(renditions.delete_objects, upload_id)
        )
        return
    upload = uploads.from_item(item)
    if upload.state != UploadState.READY:
        return
    named = f"{renditions_prefix(upload_id)}{upload.digest}/"
    before = datetime.now(UTC) - _SETTLED
    old = [key for key, at in found.items() if not key.startswith(named) and at < before]

    def delete() -> None:
        if uploads.get(upload_id).digest == upload.digest:
            bucket.delete(old)

    if old:
        yield Finding("renditions that their record does not name", upload_id, delete)


def _counts(upload: Upload) -> bool:
    """Whether an upload has to have its renditions, and an owner if somebody shows it."""
    return upload.state == UploadState.READY and not upload.expired and upload.user_id is not None


def _of_upload(upload_id: str) -> Iterator[Finding]:
    """A finding, if an upload still lacks renditions that its record names."""
    item = table.get(settings.uploads_table(), upload_key(upload_id))
    if item is None:
        return
    upload = uploads.from_item(item)
    if not _missing(upload, bucket.keys(renditions_prefix(upload_id))):
        return

    def remove() -> None:
        owner = table.get(settings.users_table(), user_key(str(upload.user_id)))
        if _shows(owner, upload_id):
            pictures.remove_picture(str(upload.user_id))
        else:
            uploads.discard(upload_id)

    yield Finding("records without their renditions", upload_id, remove)


def _of_owner(upload: Upload) -> Iterator[Finding]:
    """A finding, if an upload in use is still the picture of nobody."""
    key = user_key(str(upload.user_id))
    item, owner = table.get_many(
        [(settings.uploads_table(), upload_key(upload.id)), (settings.users_table(), key)]
    )
    if item is None or not uploads.from_item(item).in_use or _shows(owner, upload.id):
        return

    def remove() -> None:
        other = Attr("picture.upload_id").not_exists() | Attr("picture.upload_id").ne(upload.id)
        table.transact(
            [
                table.Check(settings.users_table(), key, other),
                table.Delete(settings.uploads_table(), upload_key(upload.id)),
            ]
        )

    yield Finding("pictures that no user has", upload.id, remove)


def _of_pictures(some: list[User]) -> Iterator[Finding]:
    """Users whose pictures have no record any more."""
    chosen = [(each, each.picture.upload_id) for each in some if each.picture]
    records = table.get_many([(settings.uploads_table(), upload_key(each)) for _, each in chosen])
    for (user, upload_id), record in zip(chosen, records, strict=True):
        if record is not None:
            continue
        if _shows(table.get(settings.users_table(), user_key(user.id)), upload_id):
            remove = partial(pictures.remove_picture, user.id)
            yield Finding("users whose picture has no record", loggable(user.id), remove)


def _of_values(some: list[Item]) -> Iterator[Finding]:
    """Unique values of users who are not there, or do not have them."""
    keys = [(settings.users_table(), user_key(each["user_id"])) for each in some]
    for reserved, owner in zip(some, table.get_many(keys), strict=True):
        value = {"pk": reserved["pk"]}
        if owner and value["pk"] in users.unique_keys(users.from_item(owner)):
            continue
        user_id = reserved["user_id"]
        now = table.get(settings.users_table(), value)
        if now is None or now["user_id"] != user_id:
            continue
        unchanged = Attr("revision").eq(owner["revision"]) if owner else Attr("pk").not_exists()
        actions: list[table.Action] = [
            table.Check(settings.users_table(), user_key(user_id), unchanged),
            table.Delete(settings.users_table(), value, Attr("user_id").eq(user_id)),
        ]
        field = value["pk"].partition("#")[0]
        yield Finding(
            "unique values without their user",
            f"{field} of {loggable(user_id)}",
            partial(table.transact, actions),
        )


def _missing(upload: Upload, found: Iterable[str]) -> set[str]:
    """The keys of renditions that a record names and that are not among those found."""
    if upload.state != UploadState.READY:
        return set()
    digest = str(upload.digest)
    return {rendition_object_key(upload.id, digest, size) for size in upload.sizes} - set(found)


def _shows(owner: Item | None, upload_id: str) -> bool:
    """Whether a user has an upload as the picture."""
    return owner is not None and owner.get("picture", {}).get("upload_id") == upload_id


def mended(finding: Finding) -> bool:
    """Mend what was found; answers whether that could be done."""
    try:
        finding.mend()
    except (VignetteError, table.ConditionFailed) as error:
        print(f"  not mended: {type(error).__name__}; it is looked at anew next time")
        return False
    return True


def main() -> int:
    """Report, and mend what is found with `--apply`; return the exit status."""
    options = deployment.parser(__doc__)
    options.add_argument("--apply", action="store_true", help="mend what is found")
    given = options.parse_args()
    target = deployment.find(given.stack)
    target.lend_environment()
    found: Counter[str] = Counter()
    left = 0
    for finding in Sweep(target, deployment.say).findings():
        found[finding.kind] += 1
        print(f"{finding.kind}: {finding.which}", flush=True)
        if given.apply and not mended(finding):
            left += 1
    for kind, number in sorted(found.items()):
        print(f"{number:>9,} {kind}")
    if not found:
        print("Nothing is left over.")
    elif not given.apply:
        print("Nothing was changed. `make sweep APPLY=yes` mends it.")
    else:
        print(f"{found.total() - left:,} mended, {left:,} not.")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(deployment.run(main))

"""Deleting objects that no record of an upload needs: now, or later through a queue.

A record whose objects cannot be deleted must not hold up those behind it in the table's stream.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from vignette import settings
from vignette.adapters import queue
from vignette.domain import renditions


@dataclass(frozen=True, slots=True)
class Task:
    """The objects of an upload that are to be deleted.

    Without a `digest` all objects of the upload. With one, which is that of the picture it became,
    all but that picture.
    """

    upload_id: str
    digest: str | None = None


def delete(task: Task) -> int:
    """Delete objects; answers how many keys that took, also those without an object.

    Raises:
        Unavailable: S3 did not do it.
    """
    if task.digest:
        return renditions.delete_all_but_picture(task.upload_id, task.digest)
    return renditions.delete_objects(task.upload_id)


def delete_later(tasks: Iterable[Task]) -> None:
    """Hand tasks to the queue, which tries again for a day.

    Raises:
        Unavailable: SQS did not take all of them.
    """
    queue.send(settings.cleanup_queue_url(), (json.dumps(asdict(task)) for task in tasks))


def from_message(body: str) -> Task:
    """The task in a message of the queue."""
    return Task(**json.loads(body))

"""Random lives of users and uploads, against a small model of what has to be."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.photos import plain
from tests.unit.conftest import Answer, Service
from tests.unit.faults import Contents, Failure, Fault, Killed, Network

pytestmark = pytest.mark.matrix

USERS = "/api/v1/shared/users"
EMAILS = ["ada@example.com", "Ada@example.com", "bob@example.com", "eve@example.com"]
USERNAMES = ["ada", "ADA", "bob", None]
LONG_AGO = 1_000_000_000  # seconds since the epoch


PHOTOS = {"red": plain("red"), "green": plain("green"), "junk": b"<svg/>"}


@dataclass
class User:
    """A user, as the model has it."""

    email: str
    username: str | None
    picture: str | None = None

    @property
    def claims(self) -> set[str]:
        """What no other user may have."""
        username = {f"username {self.username.lower()}"} if self.username else set()
        return {f"email {self.email.lower()}"} | username


@dataclass
class Upload:
    """An upload record, as the model has it; `lapsed` is one that DynamoDB may delete any time."""

    owner: str
    scope: str
    state: str = "pending"
    used: bool = False
    lapsed: bool = False


class Lives(RuleBasedStateMachine):
    """Anything that clients and AWS may do, in any order; the model knows what must come of it.

    `photos` is what S3 holds under each upload's key. `untold` are photos that S3 has not told of
    yet; it may tell of any photo again at any time.
    """

    def __init__(self, service: Service, network: Network, nothing: Contents) -> None:
        super().__init__()
        nothing.restore(service)
        network.fail(None)
        network.removed.clear()
        self.service = service
        self.network = network
        self.users: dict[str, User] = {}
        self.uploads: dict[str, Upload] = {}
        self.ever_users: list[str] = []
        self.ever_uploads: list[str] = []
        self.photos: dict[str, str] = {}
        self.untold: set[str] = set()
        self.told_gone: set[str] = set()

    @initialize()
    def begin_with_two_users_and_a_picture(self) -> None:
        for email in ("ada@example.com", "bob@example.com"):
            self.create_user(email, None)
            for _ in range(2):
                self._upload_a_photo(self.ever_users[-1], "red")
            self._set_a_picture(self.ever_users[-1], self.ever_uploads[-1])

    # What clients do

    @rule(email=st.sampled_from(EMAILS), username=st.sampled_from(USERNAMES))
    def create_user(self, email: str, username: str | None) -> None:
        wanted = User(email, username)
        taken = self._taken(wanted)
        answer = self._create_user(email, username)
        assert answer.status == (409 if taken else 201)
        if not taken:
            self.users[answer.json["id"]] = wanted

    @precondition(lambda self: self.ever_users)
    @rule(data=st.data(), email=st.sampled_from(EMAILS), username=st.sampled_from(USERNAMES))
    def change_user(self, data: st.DataObject, email: str, username: str | None) -> None:
        user_id = self._any_user(data)
        user = self.users.get(user_id)
        taken = user and self._taken(User(email, username), but=user_id)
        answer = self._change_user(user_id, email, username)
        assert answer.status == (404 if user is None else 409 if taken else 200)
        if user and not taken:
            user.email, user.username = email, username

    @precondition(lambda self: self.ever_users)
    @rule(data=st.data())
    def delete_user(self, data: st.DataObject) -> None:
        self._delete_somebody(self._any_user(data))

    def _delete_somebody(self, user_id: str) -> None:
        answer = self._delete_user(user_id)
        assert answer.status == (204 if user_id in self.users else 404)
        if self.users.pop(user_id, None) is None:
            return  # what an earlier deletion has left, for it was cut off, ends by itself
        for upload_id in [key for key, each in self.uploads.items() if each.owner == user_id]:
            del self.uploads[upload_id]

    @precondition(lambda self: self.ever_users)
    @rule(data=st.data(), scope=st.sampled_from(["user", "user", "user", "organization"]))
    def begin_upload(self, data: st.DataObject, scope: str) -> None:
        user_id = self._any_user(data)
        self._begin_an_upload(user_id, scope)

    @precondition(lambda self: self.users)
    @rule(data=st.data(), photo=st.sampled_from(sorted(PHOTOS)))
    def upload_a_photo(self, data: st.DataObject, photo: str) -> None:
        self._upload_a_photo(data.draw(st.sampled_from(self._living())), photo)

    @precondition(lambda self: self.ever_uploads)
    @rule(data=st.data(), photo=st.sampled_from(sorted(PHOTOS)))
    def send_photo(self, data: st.DataObject, photo: str) -> None:
        self._send_photo(self._any_upload(data), photo)

    @precondition(lambda self: self.users and self.ever_uploads)
    @rule(data=st.data())
    def set_picture(self, data: st.DataObject) -> None:
        self._set_a_picture(self._any_user(data), self._any_upload(data))

    @precondition(lambda self: self._settable())
    @rule(data=st.data())
    def set_a_ready_upload(self, data: st.DataObject) -> None:
        upload_id = self._any_of(data, self._settable())
        self._set_a_picture(self.uploads[upload_id].owner, upload_id)

    def _set_a_picture(self, user_id: str, upload_id: str) -> None:
        user, upload = self.users.get(user_id), self.uploads.get(upload_id)
        answer = self._set_picture(user_id, upload_id)
        if user is None or upload is None or upload.lapsed or upload.owner != user_id:
            assert answer.status == 404
        elif user.picture == upload_id:
            assert answer.status == 200
        elif upload.scope != "user":
            assert answer.code == "upload_wrong_scope"
        elif upload.state != "ready":
            assert answer.code == "upload_not_ready"
        else:
            assert answer.status == 200
            self._drop_picture(user)
            user.picture, upload.used = upload_id, True

    @precondition(lambda self: self.ever_users)
    @rule(data=st.data())
    def remove_picture(self, data: st.DataObject) -> None:
        user_id = self._any_user(data)
        answer = self._remove_picture(user_id)
        assert answer.status == (200 if user_id in self.users else 404)
        if user_id in self.users:
            self._drop_picture(self.users[user_id])

    @precondition(lambda self: self.ever_uploads)
    @rule(data=st.data())
    def delete_upload(self, data: st.DataObject) -> None:
        upload_id = self._any_upload(data)
        upload = self.uploads.get(upload_id)
        answer = self._delete_upload(upload_id)
        if upload is None or upload.lapsed:
            assert answer.status == 404
        elif upload.used:
            assert answer.code == "upload_in_use"
        else:
            assert answer.status == 204
            del self.uploads[upload_id]

    # What AWS does

    @precondition(lambda self: self.photos)
    @rule(data=st.data())
    def tell_of_a_photo(self, data: st.DataObject) -> None:
        self._tell_of(self._any_of(data, self.photos))

    def _tell_of(self, upload_id: str) -> None:
        upload = self.uploads.get(upload_id)
        gone = f"uploads/{upload_id}" not in Contents.of().objects
        self._tell_of_a_photo(upload_id)
        if upload and upload.state == "pending":
            upload.state = "failed" if gone or self.photos[upload_id] == "junk" else "ready"
            upload.lapsed = False

    @precondition(lambda self: self.photos)
    @rule(data=st.data())
    def give_a_photo_up(self, data: st.DataObject) -> None:
        upload_id = self._any_of(data, self.photos)
        self._give_up(upload_id)
        upload = self.uploads.get(upload_id)
        if upload and upload.state == "pending":
            upload.state, upload.lapsed = "failed", False

    @precondition(lambda self: any(not each.used for each in self.uploads.values()))
    @rule(data=st.data())
    def let_an_upload_lapse(self, data: st.DataObject) -> None:
        unused = {key for key, each in self.uploads.items() if not each.used}
        upload_id = self._any_of(data, unused)
        self.service.alter_upload(upload_id, expires_at=LONG_AGO)
        self.uploads[upload_id].lapsed = True

    @precondition(lambda self: any(each.lapsed for each in self.uploads.values()))
    @rule()
    def delete_what_has_lapsed(self) -> None:
        self._expire()
        self.uploads = {key: each for key, each in self.uploads.items() if not each.lapsed}

    @precondition(lambda self: self.network.removed or self.told_gone)
    @rule(data=st.data())
    def tell_of_records_that_are_gone(self, data: st.DataObject) -> None:
        known = self._in_order({*self.network.removed, *self.told_gone})
        self._tell_of_gone(data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=4)))

    # Two things at once, and one of them may be cut off

    @precondition(lambda self: self.ever_users and self.ever_uploads)
    @rule(
        data=st.data(),
        at=st.integers(0, 6),
        cut_off=st.none()
        | st.builds(
            Failure, st.integers(0, 6), st.sampled_from([Fault.KILLED_BEFORE, Fault.KILLED_AFTER])
        ),
    )
    def do_two_things_at_once(self, data: st.DataObject, at: int, cut_off: Failure | None) -> None:
        first, second = self._anything(data), self._anything(data)
        self.network.interrupt(at, second)
        self.network.fail(cut_off)
        try:
            answer = first()
            assert not isinstance(answer, Answer) or answer.status < 500, answer
        except Killed:
            pass
        finally:
            self.network.fail(None)
            self.network.interrupt(-1, second)  # where it was over before
        self._look()

    # What must hold after every step

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        contents = Contents.of()
        assert self._users(contents) == self.users
        assert self._uploads(contents) == self.uploads

    @invariant()
    def nothing_is_lost_or_left(self) -> None:
        excused = {*self.network.removed, *self.untold}
        assert Contents.of().violations(excused) == []

    def teardown(self) -> None:
        """When AWS has caught up nothing is excused, and without users there is nothing."""
        self._expire_uploads_without_user()
        for _ in range(2):
            for upload_id in sorted(self.untold):
                self._tell_of_a_photo(upload_id)
            self._tell_of_gone(list(self.network.removed))
            assert Contents.of().violations() == []
            for user_id in self._users(Contents.of()):
                assert self._delete_user(user_id).status == 204
        contents = Contents.of()
        assert contents.objects == {}
        assert contents.tables["uploads"] == {}
        assert {
            key for key in contents.tables["users"] if not key.startswith(("count#", "deleted#"))
        } == set()

    # The actions themselves, without what the model expects of them

    def _create_user(self, email: str, username: str | None) -> Answer:
        body = {"email": email, "firstName": "Ada", "lastName": "L", "username": username}
        answer = self.service.with_key("POST", USERS, body)
        if answer.status == 201:
            self.ever_users.append(answer.json["id"])
        return answer

    def _change_user(self, user_id: str, email: str, username: str | None) -> Answer:
        body = {"email": email, "username": username}
        return self.service.with_key("PATCH", f"{USERS}/{user_id}", body)

    def _delete_user(self, user_id: str) -> Answer:
        return self.service.with_key("DELETE", f"{USERS}/{user_id}")

    def _begin_upload(self, user_id: str, scope: str) -> Answer:
        body = {
            "kind": "profile_picture",
            "contentType": "image/png",
            "contentLength": 99,
            "userId": user_id,
            "scope": scope,
        }
        answer = self.service.with_key("POST", "/api/v1/uploads", body)
        if answer.status == 201:
            self.ever_uploads.append(answer.json["uploadId"])
        return answer

    def _send_photo(self, upload_id: str, photo: str) -> None:
        self.service.put_photo(upload_id, PHOTOS[photo])
        self.photos[upload_id] = photo
        self.untold.add(upload_id)

    def _set_picture(self, user_id: str, upload_id: str) -> Answer:
        return self.service.set_picture(user_id, upload_id)

    def _remove_picture(self, user_id: str) -> Answer:
        return self.service.set_picture(user_id, None)

    def _delete_upload(self, upload_id: str) -> Answer:
        return self.service.with_key("DELETE", f"/api/v1/uploads/{upload_id}")

    def _tell_of_a_photo(self, upload_id: str) -> None:
        self.untold.add(upload_id)  # until the function has dealt with it
        self.service.deliver(upload_id)
        self.untold.discard(upload_id)

    def _give_up(self, upload_id: str) -> None:
        self.service.give_up(upload_id)

    def _tell_of_gone(self, upload_ids: list[str]) -> None:
        if not upload_ids:
            return
        self.network.removed += [each for each in upload_ids if each in self.told_gone]
        assert self.service.deliver_removal(*upload_ids)["batchItemFailures"] == []
        self.network.removed[:] = [e for e in self.network.removed if e not in upload_ids]
        self.told_gone.update(upload_ids)

    def _expire(self) -> None:
        for upload_id, record in Contents.of().uploads().items():
            if record.get("expires_at") == LONG_AGO:
                self.service.dynamodb.delete_item(TableName="uploads", Key={"id": {"S": upload_id}})
                self.network.removed.append(upload_id)

    def _expire_uploads_without_user(self) -> None:
        """End what deletions have left that were cut off, as DynamoDB's TTL does."""
        contents = Contents.of()
        for upload_id, record in contents.uploads().items():
            if record["user_id"] not in contents.users():
                assert "expires_at" in record
                self.service.dynamodb.delete_item(TableName="uploads", Key={"id": {"S": upload_id}})
                self.network.removed.append(upload_id)

    def _anything(self, data: st.DataObject) -> Callable[[], Any]:
        user_id, upload_id = self._any_user(data), self._any_upload(data)
        owner = self.uploads[upload_id].owner if upload_id in self.uploads else user_id
        actions: list[Callable[[], Any]] = [
            partial(self._set_picture, owner, upload_id),
            partial(self._remove_picture, user_id),
            partial(self._delete_upload, upload_id),
            partial(self._delete_user, user_id),
            partial(self._change_user, user_id, EMAILS[2], USERNAMES[2]),
            partial(self._create_user, EMAILS[2], USERNAMES[2]),
            partial(self._begin_upload, user_id, "user"),
            partial(self._send_photo, upload_id, "green"),
            self._expire,
            partial(self._tell_of_gone, list(self.network.removed)),
        ]
        if self.photos:
            told = self._any_of(data, self.photos)
            actions += [partial(self._tell_of_a_photo, told)] * 3
            actions.append(partial(self._give_up, told))
        action: Callable[[], Any] = data.draw(st.sampled_from(actions))
        return action

    # The model

    def _begin_an_upload(self, user_id: str, scope: str) -> None:
        answer = self._begin_upload(user_id, scope)
        assert answer.status == (201 if user_id in self.users else 404)
        if answer.status == 201:
            self.uploads[answer.json["uploadId"]] = Upload(user_id, scope)

    def _upload_a_photo(self, user_id: str, photo: str) -> None:
        self._begin_an_upload(user_id, "user")
        self._send_photo(self.ever_uploads[-1], photo)
        self._tell_of(self.ever_uploads[-1])

    def _settable(self) -> list[str]:
        return [
            key
            for key, each in self.uploads.items()
            if each.state == "ready" and each.scope == "user" and not each.lapsed
        ]

    def _any_user(self, data: st.DataObject) -> str:
        """One who is there, more often than not."""
        return data.draw(st.sampled_from([*self.ever_users, *self._living() * 3]))

    def _any_upload(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*self.ever_uploads, *self._in_order(self.uploads) * 3]))

    def _any_of(self, data: st.DataObject, upload_ids: Collection[str]) -> str:
        return data.draw(st.sampled_from(self._in_order(upload_ids)))

    def _living(self) -> list[str]:
        return [each for each in self.ever_users if each in self.users]

    def _in_order(self, upload_ids: Collection[str]) -> list[str]:
        """Uploads in the order in which they were begun: ids have another one in every run."""
        return [each for each in self.ever_uploads if each in upload_ids]

    def _taken(self, wanted: User, but: str | None = None) -> bool:
        others = [user for user_id, user in self.users.items() if user_id != but]
        return any(wanted.claims & user.claims for user in others)

    def _drop_picture(self, user: User) -> None:
        if user.picture:
            del self.uploads[user.picture]
        user.picture = None

    def _look(self) -> None:
        """Make the model what is there, where that depended on who came first."""
        contents = Contents.of()
        self.users, self.uploads = self._users(contents), self._uploads(contents)

    def _users(self, contents: Contents) -> dict[str, User]:
        return {
            user_id: User(
                item["emails"][0]["value"],
                item.get("username"),
                item["picture"]["upload_id"] if "picture" in item else None,
            )
            for user_id, item in contents.users().items()
        }

    def _uploads(self, contents: Contents) -> dict[str, Upload]:
        return {
            upload_id: Upload(
                item["user_id"],
                item["scope"],
                item["state"],
                used="expires_at" not in item,
                lapsed=item.get("expires_at") == LONG_AGO,
            )
            for upload_id, item in contents.uploads().items()
        }


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_a_deletion_that_was_cut_off_is_over_and_leaves_what_ends_by_itself(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(service, monkeypatch)
    lives = Lives(service, network, Contents.of(restorable=True))
    lives.begin_with_two_users_and_a_picture()
    ada = lives.ever_users[0]
    network.fail(Failure(2, Fault.KILLED_BEFORE))  # after the user, before the other uploads
    with pytest.raises(Killed):
        lives._delete_user(ada)
    assert network.calls[-1] == "Query"
    network.fail(None)
    lives._look()
    assert any(each.owner == ada for each in lives.uploads.values())
    lives._delete_somebody(ada)
    lives.it_is_as_the_model_says()
    lives.nothing_is_lost_or_left()
    lives.teardown()


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_whatever_happens_in_whatever_order(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(service, monkeypatch)
    nothing = Contents.of(restorable=True)
    run_state_machine_as_test(
        lambda: Lives(service, network, nothing),  # type: ignore[arg-type]
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""The roles of deployed functions, whose permissions can be taken away for a while."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.conftest import Client
from tests.template import template


@dataclass(frozen=True)
class Permission:
    """One action on one resource."""

    action: str
    resource: str


class Role:
    """The role of a deployed function, with what SAM adds to what the template says."""

    def __init__(self, client: Client, name: str) -> None:
        self._iam = client.aws("iam")
        self._name = client.resource(f"{logical_id(name)}Role")
        found = {
            Permission(action, resource)
            for document in self._documents()
            for statement in document["Statement"]
            for action in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        }
        self.permissions = sorted(found, key=lambda each: (each.action, each.resource))

    @contextmanager
    def without(self, *actions: str, resource: str = "*") -> Iterator[None]:
        """Take actions away for a while, on all resources or on one."""
        policy = {"RoleName": self._name, "PolicyName": f"without-{uuid.uuid4()}"}
        denied = {"Effect": "Deny", "Action": actions, "Resource": resource}
        document = {"Version": "2012-10-17", "Statement": [denied]}
        self._iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))
        try:
            yield
        finally:
            self._iam.delete_role_policy(**policy)

    def _documents(self) -> Iterator[Any]:
        for name in self._iam.list_role_policies(RoleName=self._name)["PolicyNames"]:
            inline = self._iam.get_role_policy(RoleName=self._name, PolicyName=name)
            yield inline["PolicyDocument"]
        attached = self._iam.list_attached_role_policies(RoleName=self._name)
        for each in attached["AttachedPolicies"]:
            arn = each["PolicyArn"]
            version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            managed = self._iam.get_policy_version(PolicyArn=arn, VersionId=version)
            yield managed["PolicyVersion"]["Document"]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def logical_id(name: str) -> str:
    """The name that the template gives a function, by that of its folder."""
    return next(
        str(each)
        for each, resource in template()["Resources"].items()
        if resource["Properties"].get("CodeUri") == f"functions/{name}"
    )

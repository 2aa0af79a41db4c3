"""The same DynamoDB calls behind FastAPI and Mangum: requests are validated, callers are not."""

import os
import time
import uuid

import boto3
from fastapi import FastAPI
from mangum import Mangum
from pydantic import BaseModel

users = boto3.resource("dynamodb").Table(os.environ["USERS_TABLE"])
app = FastAPI()


class Changes(BaseModel):
    firstName: str  # noqa: N815


class User(BaseModel):
    id: str
    first_name: str


@app.get("/api/v1/shared/users/{user_id}")
def read(user_id: str) -> User:
    found = users.get_item(Key={"pk": f"user#{user_id}"}, ConsistentRead=True)
    return User.model_validate(found["Item"])


@app.patch("/api/v1/shared/users/{user_id}")
def update(user_id: str, changes: Changes) -> User:
    updated = users.update_item(
        Key={"pk": f"user#{user_id}"},
        UpdateExpression="SET first_name = :name, updated_at = :now, revision = :revision",
        ConditionExpression="banned = :no AND locked = :no AND updated_at <= :now",
        ExpressionAttributeValues={
            ":name": changes.firstName,
            ":now": int(time.time() * 1000),
            ":revision": str(uuid.uuid4()),
            ":no": False,
        },
        ReturnValues="ALL_NEW",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    return User.model_validate(updated["Attributes"])


handler = Mangum(app, lifespan="off")

"""The same DynamoDB calls with boto3 and nothing else: nobody checks who calls, or what with."""

import json
import os
import time
import uuid
from typing import Any

import boto3

dynamodb = boto3.client("dynamodb")
TABLE = os.environ["USERS_TABLE"]


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    key = {"pk": {"S": f"user#{event['pathParameters']['user_id']}"}}
    if event["requestContext"]["http"]["method"] == "GET":
        item = dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True)["Item"]
    else:
        item = dynamodb.update_item(
            TableName=TABLE,
            Key=key,
            UpdateExpression="SET first_name = :name, updated_at = :now, revision = :revision",
            ConditionExpression="banned = :no AND locked = :no AND updated_at <= :now",
            ExpressionAttributeValues={
                ":name": {"S": json.loads(event["body"])["firstName"]},
                ":now": {"N": str(int(time.time() * 1000))},
                ":revision": {"S": str(uuid.uuid4())},
                ":no": {"BOOL": False},
            },
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )["Attributes"]
    user = {"id": item["id"]["S"], "firstName": item["first_name"]["S"]}
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(user),
    }

"""The template: what is deployed keeps data, lets nobody in, and fits the code."""

import json
import re
from typing import Any

import pytest
from tests.template import functions, resource, routes, template
from tests.unit.conftest import NOBODY, ROOT, handlers

# A deployment that fails at first leaves nothing behind, which would be in the way of the next.
KEPT = ("RetainExceptOnCreate", "Retain")
FOURTEEN_DAYS = 14 * 24 * 60 * 60  # the longest that SQS keeps a message
FAILED_EVENTS = {"Fn::GetAtt": "FailedEvents.Arn"}


@pytest.mark.parametrize("name", sorted({*routes().by_key.values()}))
def test_a_function_answers_exactly_the_routes_that_lead_to_it(name: str) -> None:
    leading = {route for route, function in routes().by_key.items() if function == name}
    assert set(handlers(name).handler.routes) == leading


def test_the_native_api_has_a_function_for_each_capability() -> None:
    shared, mine = "/api/v1/shared/users", "/api/v1/users/me"
    wanted = {
        f"POST {shared}": "profiles",
        f"GET {shared}/{{user_id}}": "profiles",
        f"PATCH {shared}/{{user_id}}": "profiles",
        f"DELETE {shared}/{{user_id}}": "profiles",
        f"GET {mine}": "profiles",
        f"PATCH {mine}": "profiles",
        "POST /api/v1/uploads": "uploads",
        "GET /api/v1/uploads/{upload_id}": "uploads",
        "DELETE /api/v1/uploads/{upload_id}": "uploads",
        f"PATCH {shared}/{{user_id}}/profile-picture": "pictures",
        f"PATCH {mine}/profile-picture": "pictures",
    }
    assert wanted.items() <= routes().by_key.items()


def test_functions_run_on_the_python_that_the_project_is_developed_with() -> None:
    version = (ROOT / ".python-version").read_text().strip()
    assert template()["Globals"]["Function"]["Runtime"] == f"python{version}" == "python3.13"


def statements(name: str) -> list[dict[str, Any]]:
    """What a function's role may do, under any condition."""
    return [
        statement
        for policy in functions()[name].get("Policies", ())
        for each in policy["Statement"]
        for statement in (each["Fn::If"][1:] if "Fn::If" in each else [each])
        if "Action" in statement
    ]


def test_a_flood_of_photos_can_be_kept_from_starving_the_api() -> None:
    assert template()["Parameters"]["MaximumPhotoConcurrency"]["Default"] == ""
    limited = {name: functions()[name].get("ReservedConcurrentExecutions") for name in functions()}
    limit = {
        "Fn::If": [
            "HasMaximumPhotoConcurrency",
            {"Ref": "MaximumPhotoConcurrency"},
            {"Ref": "AWS::NoValue"},
        ]
    }
    assert {name: each for name, each in limited.items() if each} == {"thumbnails": limit}


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_role_names_its_actions_and_resources(name: str) -> None:
    for statement in statements(name):
        actions = statement["Action"]
        assert "*" not in json.dumps(actions)
        assert statement["Resource"] != "*"
        assert "dynamodb:Scan" not in actions


@pytest.mark.parametrize("name", ["profiles", "uploads", "pictures", "failed_photos", "cleanup"])
def test_functions_that_decode_no_image_do_not_carry_the_imaging_layer(name: str) -> None:
    assert {"Ref": "ImagingLayer"} not in functions()[name].get("Layers", [])
    assert {"Ref": "ImagingLayer"} in functions()["thumbnails"]["Layers"]


@pytest.mark.parametrize("name", ["UsersTable", "UploadsTable"])
def test_a_table_of_data_is_backed_up_and_kept(name: str) -> None:
    table, properties = template()["Resources"][name], resource(name)
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == KEPT
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


OWN_KEY = {"Ref": "EncryptionKeyArn"}


@pytest.mark.parametrize("name", ["UsersTable", "UploadsTable", "IdempotencyTable"])
def test_a_table_has_a_key_that_is_billed_only_where_the_operator_brings_one(name: str) -> None:
    assert template()["Parameters"]["EncryptionKeyArn"]["Default"] == ""
    own = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": OWN_KEY}
    nothing = {"Ref": "AWS::NoValue"}
    assert resource(name)["SSESpecification"] == {"Fn::If": ["HasEncryptionKey", own, nothing]}


def test_every_function_that_reads_or_writes_data_may_use_the_operator_s_key() -> None:
    policy = resource("EncryptionKeyUse")
    may = {(each["Fn::If"][1] if "Fn::If" in each else each)["Ref"] for each in policy["Roles"]}
    uses = {
        f"{logical_id}Role"
        for logical_id, each in template()["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function"
        if re.search('"(dynamodb|s3):', json.dumps(each["Properties"].get("Policies")))
    }
    assert may == uses
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Resource"] == OWN_KEY
    assert statement["Condition"]["StringEquals"]["kms:ViaService"]


def test_the_bucket_is_private_encrypted_and_kept() -> None:
    bucket, properties = template()["Resources"]["Bucket"], resource("Bucket")
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == KEPT
    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    [rule] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    condition, own, free = rule["Fn::If"]
    assert condition == "HasEncryptionKey"
    assert own["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": OWN_KEY,
    }
    assert free == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_the_bucket_is_named_by_the_id_of_its_stack_and_not_by_what_somebody_chose() -> None:
    stack_id = {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}  # arn:…:stack/NAME/UUID
    name, values = resource("Bucket")["BucketName"]["Fn::Sub"]
    existing, own = {"Ref": "ExistingBucketId"}, {"Fn::Select": [2, stack_id]}
    assert values == {"Id": {"Fn::If": ["HasExistingBucket", existing, own]}}
    assert template()["Globals"]["Function"]["Environment"]["Variables"]["BUCKET"] == {
        "Fn::Sub": [name, values]
    }
    # Lower case, digits, hyphens and at most 63 characters are what S3 takes.
    a_name = name.replace("${Id}", NOBODY)
    assert re.fullmatch("[a-z][a-z0-9-]{2,62}", a_name)


def test_two_stacks_of_one_account_count_apart() -> None:
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == {"Fn::Sub": "Vignette/${AWS::StackName}"}


def test_the_bucket_answers_over_tls_only() -> None:
    document = resource("BucketPolicy")["PolicyDocument"]
    [deny] = [each for each in document["Statement"] if each.get("Effect") == "Deny"]
    assert (deny["Principal"], deny["Action"]) == ("*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert deny["Resource"] == [{"Fn::GetAtt": "Bucket.Arn"}, {"Fn::Sub": "${Bucket.Arn}/*"}]


def test_the_bucket_forgets_abandoned_photos_and_no_rendition() -> None:
    rules = resource("Bucket")["LifecycleConfiguration"]["Rules"]
    assert [(each["Prefix"], each["Status"]) for each in rules] == [("uploads/", "Enabled")]
    # Longer than an upload lasts, so that a late event still finds its photo.
    assert rules[0]["ExpirationInDays"] > 1


def test_allowed_origins_are_those_of_the_api_and_the_bucket() -> None:
    origins = {"Ref": "AllowedOrigins"}
    [rule] = resource("Bucket")["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == origins
    assert template()["Globals"]["HttpApi"]["CorsConfiguration"]["AllowOrigins"] == origins


def test_pages_may_read_the_headers_that_explain_a_refusal() -> None:
    exposed = set(template()["Globals"]["HttpApi"]["CorsConfiguration"]["ExposeHeaders"])
    assert exposed >= {"retry-after", "www-authenticate", "x-request-id"}


@pytest.mark.parametrize("table", ["UsersTable", "UploadsTable"])
def test_nothing_but_the_table_itself_is_about_a_table_that_is_not_made(table: str) -> None:
    """A restored table takes its place everywhere: names, permissions, alarms, outputs."""
    assert template()["Resources"][table]["Condition"] == f"Makes{table}"
    places: list[Any] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            condition, made, *_ = value.get("Fn::If", ("", None))
            if condition == f"Makes{table}":
                places.append(made)
                return
            assert value != {"Ref": table}
            for each in value.values():
                collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)
        else:
            assert f"{table}." not in str(value)
            assert f"${{{table}}}" not in str(value)

    collect([template()[part] for part in ("Globals", "Resources", "Outputs")])
    assert {"Ref": table} in places


def test_cleanup_hears_of_records_that_are_gone_and_of_pictures_that_are_set() -> None:
    properties = functions()["cleanup"]["Events"]["RecordGone"]["Properties"]
    stream = {"Fn::GetAtt": "UploadsTable.StreamArn"}
    existing = {"Ref": "ExistingUploadsStreamArn"}
    assert properties["Stream"] == {"Fn::If": ["MakesUploadsTable", stream, existing]}
    gone, used = (json.loads(each["Pattern"]) for each in properties["FilterCriteria"]["Filters"])
    assert gone == {"eventName": ["REMOVE"]}
    has_used_at = {"NewImage": {"used_at": {"N": [{"exists": True}]}}}
    assert used == {"eventName": ["MODIFY"], "dynamodb": has_used_at}
    assert resource("UploadsTable")["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    # Poison must not hold up the stream: it is given up, and what is around it is not.
    assert properties["MaximumRetryAttempts"] > 0
    assert properties["BisectBatchOnFunctionError"] is True


def test_thumbnails_hears_of_photos_and_not_of_the_renditions_it_writes() -> None:
    properties = functions()["thumbnails"]["Events"]["PhotoUploaded"]["Properties"]
    assert properties["Events"] == "s3:ObjectCreated:*"
    assert properties["Filter"]["S3Key"]["Rules"] == [{"Name": "prefix", "Value": "uploads/"}]


def test_events_that_fail_for_good_end_in_a_queue_with_an_alarm() -> None:
    photos = functions()["thumbnails"]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    given_up = functions()["failed_photos"]["EventInvokeConfig"]["DestinationConfig"]
    removals = functions()["cleanup"]["Events"]["RecordGone"]["Properties"]
    assert photos["Destination"] == {"Fn::GetAtt": "FailedPhotos.Arn"}
    assert {when: each["Destination"] for when, each in given_up.items()} == {
        "OnSuccess": FAILED_EVENTS,
        "OnFailure": FAILED_EVENTS,
    }
    assert removals["DestinationConfig"]["OnFailure"]["Destination"] == FAILED_EVENTS
    alarm = resource("FailedEventsAlarm")
    assert alarm["Dimensions"] == [
        {"Name": "QueueName", "Value": {"Fn::GetAtt": "FailedEvents.QueueName"}}
    ]
    assert alarm["Threshold"] == 1


def test_what_cannot_be_deleted_is_tried_for_a_day_and_then_kept() -> None:
    queue, kept = resource("CleanupQueue"), resource("FailedCleanups")
    seconds = queue["VisibilityTimeout"]
    # AWS: at least six times the function's time. A message that comes back sooner is worked on
    # twice at the same time.
    assert seconds >= 6 * functions()["cleanup"]["Timeout"]
    tries = queue["RedrivePolicy"]["maxReceiveCount"]
    assert tries * seconds == 24 * 60 * 60
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": "FailedCleanups.Arn"}
    # How long a message is kept counts from when it was first sent, also in the dead letters.
    assert queue["MessageRetentionPeriod"] > tries * seconds
    assert kept["MessageRetentionPeriod"] == FOURTEEN_DAYS
    source = functions()["cleanup"]["Events"]["TriedAgain"]["Properties"]
    assert source["Queue"] == {"Fn::GetAtt": "CleanupQueue.Arn"}
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_warnings_about_the_document_that_sam_makes_refuse_no_deployment() -> None:
    # API Gateway warns of `$default` in it (aws/serverless-application-model#2297).
    assert "$default" in routes().by_key
    assert "FailOnWarnings" not in resource("Api")


def test_the_api_is_throttled() -> None:
    settings = resource("Api")["DefaultRouteSettings"]
    assert settings["ThrottlingRateLimit"] == {"Ref": "RequestRate"}
    assert settings["ThrottlingBurstLimit"] == {"Ref": "RequestBurst"}


def test_the_secret_key_is_generated_and_stands_nowhere() -> None:
    assert resource("SecretKey")["GenerateSecretString"]["PasswordLength"] >= 32
    assert "SecretString" not in resource("SecretKey")


ACCESS_LOG = {
    "time": "$context.requestTimeEpoch",
    "requestId": "$context.requestId",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "milliseconds": "$context.responseLatency",
    "bytes": "$context.responseLength",
    "functionStatus": "$context.integration.status",
    "functionMilliseconds": "$context.integration.latency",
    "functionError": "$context.integration.error",
    "gatewayError": "$context.error.responseType",
}


@pytest.mark.parametrize("stage", ["Api", "PicturesStage"])
def test_access_logs_have_nothing_that_a_client_sent(stage: str) -> None:
    settings = resource(stage)["AccessLogSettings"]
    assert settings["DestinationArn"]["Fn::Sub"].endswith(":log-group:${AccessLogs}")
    assert "\n" not in settings["Format"]  # a line for each request
    assert json.loads(settings["Format"]) == ACCESS_LOG


@pytest.mark.parametrize("group", ["Logs", "AccessLogs"])
def test_logs_are_kept_as_long_as_somebody_says(group: str) -> None:
    assert resource(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert template()["Parameters"]["LogRetentionDays"]["Default"] == 30


def test_every_log_group_has_a_retention() -> None:
    groups = [
        each["Properties"]
        for each in template()["Resources"].values()
        if each["Type"] == "AWS::Logs::LogGroup"
    ]
    assert all("RetentionInDays" in each for each in groups)
    # No function makes a group of its own, which would keep everything for ever.
    assert template()["Globals"]["Function"]["LoggingConfig"] == {"LogGroup": {"Ref": "Logs"}}
    assert not [name for name, each in functions().items() if "LoggingConfig" in each]


def test_log_level_and_tracing_are_parameters_of_every_function() -> None:
    everywhere = template()["Globals"]["Function"]
    assert everywhere["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == {"Ref": "LogLevel"}
    assert everywhere["Tracing"] == {"Ref": "Tracing"}
    # SAM gives no role permission to write traces, which nothing would use.
    assert template()["Parameters"]["Tracing"]["Default"] == "Disabled"

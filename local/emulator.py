"""MiniStack in this process, and mended where the service would notice a difference from AWS.

MiniStack reads its environment variables when it is imported, so `configure` comes before all
else. `mend` replaces functions inside MiniStack; its version is pinned.
"""

import copy
import hashlib
import io
import json
import logging
import os
import re
import sys
import threading
import uuid
import zipfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import boto3

import data
import journal

SERVICES = [
    "apigateway",
    "cloudformation",
    "cloudfront",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "sts",
]

# What Lambda needs on a stream that it reads for a function (AWS Lambda, "Using DynamoDB streams").
READ_STREAM = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)

# What Lambda needs on a queue that it reads for a function (AWS Lambda, "Using Amazon SQS").
READ_QUEUE = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")

# Execution environments of one function: more would only wait for the cores of one machine.
CONCURRENCY = 8

# MiniStack writes the state of a service to one temporary file, whichever thread asks for it.
_saving = threading.Lock()


def configure(
    state: Path, port: int, region: str, credentials: tuple[str, str], function_python: Path
) -> None:
    """Set this process up as a MiniStack that keeps everything under `state`."""
    data.prepare(state)
    # Functions inherit this environment: nothing of the account, proxies or settings of whoever
    # starts the stack belongs in it.
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
    os.environ.clear()
    os.environ |= kept | {
        "AUTH": "true",  # signatures verified, IAM policies enforced
        "AWS_ACCESS_KEY_ID": credentials[0],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_SECRET_ACCESS_KEY": credentials[1],
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # would listen on a fixed port
        "LOG_LEVEL": "WARNING",
        "MINISTACK_REGION": region,
        "PERSIST_STATE": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "S3_PERSIST": "1",
        "SERVICES": ",".join(SERVICES),
        "SFTP_ENABLED": "0",  # would listen on a fixed port
        "STATE_DIR": str(state / "services"),
        "TMPDIR": str(state / "tmp"),
        "TZ": "UTC",
    }
    # MiniStack runs functions with its own interpreter. One without packages shows what a layer
    # forgot to bring, as Lambda would.
    sys.executable = str(function_python)
    logging.basicConfig(
        filename=state / "logs/ministack.log",
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )


def mend(state: Path) -> None:
    """Close the gaps to AWS that need no knowledge of the deployed stack."""
    del os.environ["LOG_LEVEL"]  # MiniStack has read it; functions log as they do on AWS
    _log_to_files(state / "logs")
    _unpack_layers_once(state / "tmp/layers")
    _bound_concurrency()
    _name_errors()
    _keep_streams()
    journal.keep_writes(state / "services")
    _retry_records()
    _chain_destinations()
    _act_as_roles()
    _allow_batches()
    _keep_events(state / "events")
    _hide_what_is_missing()
    _hold_alarms_of_several_metrics()


def expand_templates_with(parameters: dict[str, str]) -> None:
    """Expand templates with these parameters, as CloudFormation does.

    MiniStack hands SAM none, and SAM then writes the defaults into the resources.
    """
    from samtranslator.translator import transform

    expand = transform.transform

    def expand_with_parameters(template: Any, _: Any, policies: Any) -> Any:
        return expand(template, dict(parameters), policies)

    transform.transform = expand_with_parameters


def save_all() -> None:
    """Write the state of every service to disk, as a clean stop does.

    CloudFormation's comes last: with it on disk, all is there that it knows of.
    """
    from ministack import app
    from ministack.core import persistence

    services = app._build_persistence_save_dict()
    last = {"cloudformation": services.pop("cloudformation")}
    with _saving:
        persistence.save_all({**services, **last})


def save_data() -> None:
    """Write to disk what requests change, but for the tables, which have their journal."""
    from ministack.core import persistence
    from ministack.services import s3, secretsmanager, sqs

    with _saving:
        for service in (s3, secretsmanager, sqs):
            persistence.save_state(service.__name__.rpartition(".")[2], service.get_state())


def busy() -> bool:
    """Whether a function runs."""
    from ministack.services import lambda_svc

    return bool(lambda_svc.executions_in_flight()[0])


def stop_functions() -> None:
    """End the functions' processes and remove their files."""
    from ministack.core import lambda_runtime

    lambda_runtime.reset()


def deliver_kept_events(state: Path, session: boto3.Session) -> None:
    """Invoke the functions whose events a stop interrupted."""
    functions = session.client("lambda")
    for file, event in data.kept_events(state):
        functions.invoke(
            FunctionName=event["function"],
            InvocationType="Event",
            Payload=json.dumps(event["event"]),
        )
        file.unlink()


def _log_to_files(directory: Path) -> None:
    """Write what a function logs to a file too, beside its CloudWatch log group."""
    from ministack.services import lambda_svc

    emit = lambda_svc._emit_lambda_logs

    def emit_and_write(
        function: dict[str, Any], request_id: str, text: str, *rest: Any, **named: Any
    ) -> None:
        if not _may_log(function):
            return
        emit(function, request_id, text, *rest, **named)
        if text:
            with (directory / f"{function['config']['FunctionName']}.log").open("a") as log:
                log.write(text + "\n")

    lambda_svc._emit_lambda_logs = emit_and_write


def _unpack_layers_once(directory: Path) -> None:
    """Let execution environments share the files of a layer, which are read-only on AWS too.

    MiniStack unpacks every layer for every one of them: half a second and 60 MB each, for 20
    clients at once ten seconds and more than a gigabyte.
    """
    from ministack.services import lambda_svc

    resolve = lambda_svc._resolve_layer_zip
    lock = threading.Lock()
    site_packages = f"python/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"

    def resolve_to_pointer(reference: Any) -> bytes | None:
        layer = resolve(reference)
        if not layer:
            return None
        unpacked = directory / hashlib.sha256(layer).hexdigest()[:16]
        with lock:
            if not unpacked.exists():
                part = unpacked.with_suffix(".part")
                zipfile.ZipFile(io.BytesIO(layer)).extractall(part)
                part.rename(unpacked)
        pointer = io.BytesIO()
        with zipfile.ZipFile(pointer, "w") as archive:
            archive.writestr(f"{site_packages}/layer.pth", f"{unpacked / 'python'}\n")
        return pointer.getvalue()

    lambda_svc._resolve_layer_zip = resolve_to_pointer


def _bound_concurrency() -> None:
    """Let invocations wait for a free execution environment rather than start ever more."""
    from ministack.services import lambda_svc

    execute = lambda_svc._execute_function_warm
    environments: dict[str, threading.Semaphore] = defaultdict(
        lambda: threading.Semaphore(CONCURRENCY)
    )

    def execute_in_turn(function: dict[str, Any], event: Any, request_id: str) -> Any:
        with environments[function["config"]["FunctionArn"]]:
            return execute(function, event, request_id)

    lambda_svc._execute_function_warm = execute_in_turn


def _name_errors() -> None:
    """Say what a function failed with, as Lambda does: the name of the exception's class.

    MiniStack calls every exception by one name. The real one is in the last line of its traceback.
    """
    from ministack.services import lambda_svc

    execute = lambda_svc._execute_function_warm

    def execute_and_name_error(function: dict[str, Any], event: Any, request_id: str) -> Any:
        result = execute(function, event, request_id)
        if result.get("error") and result["body"]["errorType"] == "Runtime.HandlerError":
            lines = str(result.get("log", "")).splitlines()
            found = (re.match(r"(?:\w+\.)*(\w+)(?:: |$)", line) for line in reversed(lines))
            names = (each[1] for each in found if each)
            result["body"]["errorType"] = next(names, "Runtime.ExitError")
        return result

    lambda_svc._execute_function_warm = execute_and_name_error


def _keep_streams() -> None:
    """Keep the records of DynamoDB streams with the tables, and how far they were read.

    MiniStack forgets the records when it stops and keeps the positions, so that after a start
    readers would skip as many new records as they had read before.
    """
    from ministack.core import persistence
    from ministack.services import dynamodb, lambda_svc

    tables, restore_tables = dynamodb.get_state, dynamodb.load_persisted_state
    restore = lambda_svc._restore_esm_positions

    def tables_and_streams() -> dict[str, Any]:
        streams = {
            "positions": lambda_svc._dynamodb_stream_positions,
            "records": dynamodb._stream_records,
            "trimmed": dynamodb._stream_trimmed,
        }
        return {**tables(), "streams": copy.deepcopy(streams)}

    def restore_tables_and_streams(state: dict[str, Any]) -> None:
        restore_tables(state)
        dynamodb._stream_records.update(state["streams"]["records"])
        dynamodb._stream_trimmed.update(state["streams"]["trimmed"])

    def restore_positions(store: Any, positions: Any) -> None:
        if store is lambda_svc._dynamodb_stream_positions:
            positions = persistence.load_state("dynamodb")["streams"]["positions"]
        restore(store, positions)

    dynamodb.get_state = tables_and_streams
    dynamodb.load_persisted_state = restore_tables_and_streams
    lambda_svc._restore_esm_positions = restore_positions


def _retry_records() -> None:
    """Give a stream's records to their function until it has taken them or the retries are over.

    MiniStack drops records that a function reports as failed, and gives up none that it fails on.
    """
    from ministack.services import lambda_svc

    choose, execute = lambda_svc._apply_filter_criteria, lambda_svc._execute_function
    reading: dict[int, tuple[Any, Any]] = {}  # by identity: what is read now, and its mapping
    attempts: Counter[str] = Counter()

    def choose_and_remember(records: Any, mapping: Any) -> Any:
        chosen = choose(records, mapping)
        if chosen and ":dynamodb:" in mapping["EventSourceArn"]:
            reading[id(chosen)] = (records, mapping)
        return chosen

    def execute_and_retry(function: dict[str, Any], event: Any) -> Any:
        result = execute(function, event)
        batch: Any = event.get("Records") if isinstance(event, dict) else None
        if id(batch) not in reading:
            return result
        records, mapping = reading.pop(id(batch))
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        if result.get("error"):
            failed = [batch[0]["dynamodb"]["SequenceNumber"]]
        else:
            reported = result["body"]["batchItemFailures"]
            failed = [each["itemIdentifier"] for each in reported]
        if not failed:
            return result
        done = min(map(numbers.index, failed))
        attempts[numbers[done]] += 1
        if attempts[numbers[done]] > mapping["MaximumRetryAttempts"]:
            lambda_svc._send_ddb_stream_failure_record(
                *(mapping, function, [records[done]], mapping["EventSourceArn"], result),
                "RetryAttemptsExhausted",
            )
            done += 1
        with lambda_svc._dynamodb_stream_positions_lock:
            lambda_svc._dynamodb_stream_positions[mapping["UUID"]] += done
        return {**result, "error": True}  # goes on reading from there, after a while

    lambda_svc._apply_filter_criteria = choose_and_remember
    lambda_svc._execute_function = execute_and_retry


def _chain_destinations() -> None:
    """Let a function that is a destination be tried again, and have destinations of its own.

    MiniStack calls it once, whatever comes of that.
    """
    from ministack.services import lambda_svc

    give_up = lambda_svc._route_async_failure

    def give_up_to_function(target: str, name: str, event: Any, result: Any) -> None:
        if target.split(":")[2] != "lambda":
            give_up(target, name, event, result)
            return
        function, _, _ = lambda_svc._get_func_record_for_ref(target)
        told = {"requestPayload": event, "responsePayload": result.get("body")}
        lambda_svc.invoke_async_with_retry(function, told)

    lambda_svc._route_async_failure = give_up_to_function


def _act_as_roles() -> None:
    """Let Lambda read streams and queues, and tell destinations, only where its role allows it.

    MiniStack does as nobody in particular.
    """
    from ministack.services import lambda_svc

    choose, give_up = lambda_svc._apply_filter_criteria, lambda_svc._route_async_failure
    give_up_records = lambda_svc._send_ddb_stream_failure_record

    def choose_as_role(records: Any, mapping: Any) -> Any:
        function = lambda_svc._functions[mapping["FunctionName"]]
        is_queue = ":sqs:" in mapping["EventSourceArn"]
        for action in READ_QUEUE if is_queue else READ_STREAM:
            if not _allows(function, action, mapping["EventSourceArn"]):
                raise PermissionError(action)
        return choose(records, mapping)

    def give_up_as_role(target: str, name: str, *rest: Any) -> None:
        to_queue = target.split(":")[2] == "sqs"
        action = "sqs:SendMessage" if to_queue else "lambda:InvokeFunction"
        if _allows(lambda_svc._functions[name], action, target):
            give_up(target, name, *rest)

    def give_up_records_as_role(mapping: Any, function: Any, *rest: Any) -> None:
        target = mapping["DestinationConfig"]["OnFailure"]["Destination"]
        if _allows(function, "sqs:SendMessage", target):
            give_up_records(mapping, function, *rest)

    lambda_svc._apply_filter_criteria = choose_as_role
    lambda_svc._route_async_failure = give_up_as_role
    lambda_svc._send_ddb_stream_failure_record = give_up_records_as_role


def _may_log(function: dict[str, Any]) -> bool:
    """Whether a function's role lets Lambda write to its log group, which may have to be made."""
    from ministack.services import cloudwatch_logs

    name = function["config"]["LoggingConfig"]["LogGroup"]
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    if name not in cloudwatch_logs._log_groups:
        actions.append("logs:CreateLogGroup")
    group = cloudwatch_logs._make_group_arn(name)
    return all(_allows(function, action, group) for action in actions)


def _allows(function: dict[str, Any], action: str, resource: str) -> bool:
    """Whether a function's role allows an action of Lambda's own."""
    from ministack.core import iam_evaluator

    role = function["config"]["Role"]
    account, name = role.split(":")[4], role.rpartition("/")[2]
    context = iam_evaluator.EvalContext(
        *(role, "AssumedRole", account, action, resource, os.environ["MINISTACK_REGION"])
    )
    policies = iam_evaluator._gather_role_policies(name, account)
    return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")


def _hide_what_is_missing() -> None:
    """Deny the reading of an object that is not there to who may not list the bucket.

    MiniStack says that it is not there, which S3 tells only those who could find out by listing.
    """
    from ministack.core import iam_actions
    from ministack.services import s3

    additional_checks = iam_actions.s3_additional_checks

    def checks_and_listing(method: str, path: str, *rest: Any) -> Any:
        checks = additional_checks(method, path, *rest)
        _, name, key = [*path.split("/", 2), "", ""][:3]
        bucket = s3._ensure_bucket(name) if method in ("GET", "HEAD") and key else None
        if bucket is not None and key not in bucket["objects"]:
            checks = [*checks, ("s3:ListBucket", f"arn:aws:s3:::{name}")]
        return checks

    iam_actions.s3_additional_checks = checks_and_listing


def _hold_alarms_of_several_metrics() -> None:
    """Create an alarm that computes with several metrics as one of the first of them.

    MiniStack knows no metric math and would refuse the whole stack. The alarm is there, can be
    given a state and tells who is to be told; what it computes is for AWS to compute.
    """
    from ministack.services.cloudformation import provisioners

    record = provisioners._cw_metric_alarm_record

    def record_first_metric(name: str, properties: dict[str, Any]) -> Any:
        rest = dict(properties)
        for query in rest.pop("Metrics", None) or []:
            if first := query.get("MetricStat"):
                rest |= {**first["Metric"], "Period": first["Period"], "Statistic": first["Stat"]}
                break
        return record(name, rest)

    provisioners._cw_metric_alarm_record = record_first_metric


def _allow_batches() -> None:
    """Let who may send or delete a message send or delete several, as SQS has no other actions.

    MiniStack wants a permission that IAM does not know.
    """
    from ministack.core import iam_actions

    extract = iam_actions.extract_iam_action

    def extract_without_batch(service: str, *rest: Any) -> Any:
        action = extract(service, *rest)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    iam_actions.extract_iam_action = extract_without_batch


def _keep_events(directory: Path) -> None:
    """Keep an asynchronous event on disk until its function took it, as Lambda's queue does.

    Then the destination on success is told, which MiniStack does not know.
    """
    from ministack.services import lambda_svc

    invoke, execute = lambda_svc.invoke_async_with_retry, lambda_svc._execute_function
    give_up = lambda_svc._route_async_failure
    kept: dict[int, tuple[Any, Path]] = {}  # by identity: equal events are two events

    def keep_and_invoke(function: dict[str, Any], event: Any) -> None:
        file = directory / f"{uuid.uuid4()}.json"
        data.write(
            file, json.dumps({"function": function["config"]["FunctionArn"], "event": event})
        )
        kept[id(event)] = (event, file)
        invoke(function, event)

    def drop(event: Any) -> None:
        if id(event) in kept:
            kept.pop(id(event))[1].unlink()

    def execute_and_drop(function: dict[str, Any], event: Any) -> Any:
        result = execute(function, event)
        if not result.get("error") and not result.get("throttle"):
            invoked = lambda_svc._event_invoke_config(function, "$LATEST") or {}
            target = invoked.get("DestinationConfig", {}).get("OnSuccess", {}).get("Destination")
            if target and id(event) in kept:
                give_up_and_drop(target, function["config"]["FunctionName"], event, result)
            else:
                drop(event)
        return result

    def give_up_and_drop(target: str, function: str, event: Any, result: Any) -> None:
        give_up(target, function, event, result)
        save_data()  # the queue, which has the event now
        drop(event)

    lambda_svc.invoke_async_with_retry = keep_and_invoke
    lambda_svc._execute_function = execute_and_drop
    lambda_svc._route_async_failure = give_up_and_drop

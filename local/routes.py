"""Create the HTTP API's routes, which MiniStack leaves out.

SAM turns a function's `HttpApi` events into an OpenAPI body, and API Gateway imports that body.
MiniStack creates the API and its stage but reads no body: the routes are created here, from the
processed template of the deployed stack.
"""

import json
import re
from typing import Any

import boto3

FUNCTION = re.compile(r"functions/\$\{(\w+)(?:\.Arn)?\}/invocations")


def create_routes(session: boto3.Session, stack_name: str) -> None:
    """Make the API's routes and CORS rules those of the deployed template."""
    cloudformation = session.client("cloudformation")
    gateway = session.client("apigatewayv2")
    template = cloudformation.get_template(StackName=stack_name, TemplateStage="Processed")
    stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    names = {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}
    for resource in cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]:
        names[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]

    for logical_id, resource in template["TemplateBody"]["Resources"].items():
        # The API that the CDN asks has routes that are resources, and no body.
        if resource["Type"] != "AWS::ApiGatewayV2::Api" or "Body" not in resource["Properties"]:
            continue
        api, body = names[logical_id], resource["Properties"]["Body"]
        for route in gateway.get_routes(ApiId=api)["Items"]:
            gateway.delete_route(ApiId=api, RouteId=route["RouteId"])
        for integration in gateway.get_integrations(ApiId=api)["Items"]:
            gateway.delete_integration(ApiId=api, IntegrationId=integration["IntegrationId"])
        integrations: dict[str, str] = {}
        for key, function in _operations(body, names):
            if function not in integrations:
                integrations[function] = gateway.create_integration(
                    ApiId=api,
                    IntegrationType="AWS_PROXY",
                    IntegrationUri=function,
                    PayloadFormatVersion="2.0",
                )["IntegrationId"]
            gateway.create_route(
                ApiId=api, RouteKey=key, Target=f"integrations/{integrations[function]}"
            )
        if cors := body.get("x-amazon-apigateway-cors"):
            gateway.update_api(ApiId=api, CorsConfiguration=_cors(cors, names))


def _operations(body: dict[str, Any], names: dict[str, str]) -> list[tuple[str, str]]:
    """(route key, function name or ARN) of every operation that the stack has."""
    found = []
    for path, item in body["paths"].items():
        # The other side of a condition that SAM writes here is always nothing.
        operations = item["Fn::If"][1] if "Fn::If" in item else item
        for method, operation in operations.items():
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            key = "$default" if operation.get("isDefaultRoute") else f"{verb} {path}"
            match = FUNCTION.search(json.dumps(operation))
            assert match, f"{key} has no function"  # noqa: S101
            # A function under a condition that does not hold is not in the stack.
            if match[1] in names:
                found.append((key, names[match[1]]))
    return found


def _cors(rules: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The OpenAPI body's CORS rules as the API takes them."""
    cors = {}
    for key, value in rules.items():
        if isinstance(value, dict):
            value = names[value["Ref"]]
        if isinstance(value, str) and key.startswith(("allow", "expose")):
            value = value.split(",")  # a list parameter
        cors[key[0].upper() + key[1:]] = value
    return cors

"""The deployed service that a command works on: a stack in AWS, or the running `make run`.

With `--stack NAME` it is the CloudFormation stack of that name, reached with the AWS credentials
and the region of whoever calls (environment, profile, role). Without it, it is the local stack.
Its facts are in `.local/stack.json`, or in the file that the variable STACK_FILE names.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from vignette.errors import VignetteError

ROOT = Path(__file__).resolve().parent.parent
_LOCAL_FACTS = ".local/stack.json"
# Seconds; a function that is waited for may take 60.
_CONFIG = Config(
    connect_timeout=10, read_timeout=70, retries={"mode": "standard", "total_max_attempts": 5}
)


class Failed(Exception):
    """A command cannot go on; the message says why, to whoever called it."""


@dataclass(frozen=True)
class Deployment:
    """A deployed stack: its clients of AWS, its outputs, and the names of its resources.

    `facts` are those of `stack.json` for the local stack, and nothing for one in AWS.
    """

    stack_name: str
    facts: Mapping[str, str]

    def client(self, service: str) -> Any:  # noqa: ANN401  (each caller knows its service)
        """The client of an AWS service, with the caller's credentials or the local stack's."""
        return self._session.client(service, config=_CONFIG, **self._endpoint)  # type: ignore[call-overload]

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The outputs of the stack.

        Raises:
            Failed: It is a stack of something else.
        """
        stacks = self.client("cloudformation").describe_stacks(StackName=self.stack_name)["Stacks"]
        found = {each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", ())}
        if "UploadsTable" not in found:
            raise Failed(f"The stack {self.stack_name} is not a deployed Vignette.")
        return found

    def resource(self, logical_id: str) -> str:
        """The name that a resource of the template has in the stack.

        Raises:
            Failed: The stack has no such resource.
        """
        if logical_id not in self._resources:
            raise Failed(f"The stack {self.stack_name} has no {logical_id}.")
        return self._resources[logical_id]

    @property
    def url(self) -> str:
        """Where the API answers."""
        return self.facts.get("baseUrl") or self.outputs["BaseUrl"]

    def secret_key(self) -> str:
        """The secret key as it is now."""
        secrets = self.client("secretsmanager")
        return str(secrets.get_secret_value(SecretId=self.outputs["SecretKeyArn"])["SecretString"])

    def lend_environment(self) -> None:
        """Let the code of the functions, called from here, work on this stack."""
        os.environ |= {
            "BUCKET": self.outputs["BucketName"],
            "UPLOADS_TABLE": self.outputs["UploadsTable"],
            "USERS_TABLE": self.outputs["UsersTable"],
        }
        if self.facts:
            os.environ |= {
                "AWS_ACCESS_KEY_ID": self.facts["accessKeyId"],
                "AWS_SECRET_ACCESS_KEY": self.facts["secretAccessKey"],
                "AWS_DEFAULT_REGION": self.facts["region"],
                "AWS_ENDPOINT_URL": self.facts["awsEndpointUrl"],
            }

    @cached_property
    def _resources(self) -> dict[str, str]:
        # All at once: CloudFormation throttles who asks for one again and again.
        formation = self.client("cloudformation")
        pages = formation.get_paginator("list_stack_resources").paginate(StackName=self.stack_name)
        found = (each for page in pages for each in page["StackResourceSummaries"])
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}

    @cached_property
    def _session(self) -> boto3.Session:
        if not self.facts:
            return boto3.Session()
        return boto3.Session(
            aws_access_key_id=self.facts["accessKeyId"],
            aws_secret_access_key=self.facts["secretAccessKey"],
            region_name=self.facts["region"],
        )

    @property
    def _endpoint(self) -> dict[str, str]:
        return {"endpoint_url": self.facts["awsEndpointUrl"]} if self.facts else {}


def local_facts() -> Path:
    """The file that says where the local stack is."""
    return Path(os.environ.get("STACK_FILE") or _LOCAL_FACTS)


def rewrite_local_facts(facts: Mapping[str, str]) -> None:
    """Say something else of the local stack, whole or not at all, to its owner only."""
    file = local_facts()
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(json.dumps(facts, indent=2) + "\n")
    part.replace(file)


def find(stack_name: str | None) -> Deployment:
    """The stack of a name in AWS, or the local one.

    Raises:
        Failed: There is no such stack.
    """
    if stack_name:
        return Deployment(stack_name, {})
    file = local_facts()
    if not file.exists():
        raise Failed("No stack runs here (make run); STACK=NAME takes one in AWS.")
    facts = json.loads(file.read_text())
    return Deployment(facts["stackName"], facts)


def parser(purpose: str | None) -> argparse.ArgumentParser:
    """A parser of the options that every command has."""
    made = argparse.ArgumentParser(description=(purpose or "").splitlines()[0])
    made.add_argument("--stack", help="name of the stack in AWS; without it the local one")
    return made


def say(text: str) -> None:
    """Report progress as one plain line, beside what the command answers."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def run(command: Callable[[], int]) -> int:
    """Run a command and return its exit status; what is in its way is said in one line."""
    try:
        return command()
    except (Failed, VignetteError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Run it again to go on.", file=sys.stderr)
        return 130

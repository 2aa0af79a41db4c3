"""Which photos are tried again later, and which are done with, by the error of their function."""

import pytest
from tools.redrive import may_succeed

REFUSED = "An error occurred (AccessDenied) when calling the GetObject operation: no"


@pytest.mark.parametrize(
    "error",
    [
        "Unavailable: A service behind this one is busy.",
        f"AccessDenied: {REFUSED}",
        f"ClientError: {REFUSED}",
        "Runtime.ImportModuleError: Unable to import module 'app'",
    ],
)
def test_what_is_about_aws_a_permission_or_a_deployment_may_succeed_later(error: str) -> None:
    assert may_succeed(error)


@pytest.mark.parametrize(
    "error",
    [
        "KeyError: 'digest'",
        "Runtime.ExitError: RequestId: 1 Error: Runtime exited with error: signal: killed",
        "Runtime.OutOfMemory: RequestId: 1 Error: Runtime exited",
        "Sandbox.Timedout: RequestId: 1 Error: Task timed out after 30.00 seconds",
    ],
)
def test_what_the_photo_itself_leads_to_always_does(error: str) -> None:
    assert not may_succeed(error)

"""What the service says it answers, beside what Clerk publishes.

Every answer in the other tests of Clerk's API is checked against the contract too, by the client
that they share.
"""

import pytest
from tests import contract
from tests.template import resource, routes, template
from tests.unit.clerk import Clerk

needs_contract = pytest.mark.skipif(
    not contract.present(), reason=f"Clerk's contract is not at {contract.CONTRACTS}"
)


def served() -> set[str]:
    """The operations that the service has of Clerk's."""
    return {key.replace(" /v1/", " /") for key in routes().by_key if " /v1/" in key}


@needs_contract
@pytest.mark.parametrize("version", contract.VERSIONS)
def test_every_route_is_an_operation_of_the_contract(version: str) -> None:
    assert len(served()) == 23
    assert served() <= contract.operations(version)


@needs_contract
@pytest.mark.parametrize("version", contract.VERSIONS)
def test_an_answer_that_breaks_the_contract_is_noticed(clerk: Clerk, version: str) -> None:
    user = clerk.create()
    operation = "GET /users/{user_id}"
    assert contract.violations(version, operation, 200, user) == []
    assert contract.violations(version, operation, 200, {**user, "more": 1})
    assert contract.violations(version, operation, 200, {**user, "banned": None})
    assert contract.violations(version, "GET /users", 200, [{**user, "image_url": None}])
    assert contract.violations(version, operation, 404, {"message": "Not Found"})
    del user["email_addresses"][0]["linked_to"]
    assert contract.violations(version, operation, 200, user)


def test_a_cdn_reads_renditions_and_nothing_else() -> None:
    document = template()
    assert document["Parameters"]["PicturesCdn"]["Default"] == "false"
    for name in ("PicturesDistribution", "PicturesOriginAccess"):
        assert document["Resources"][name]["Condition"] == "HasPicturesCdn"
    (conditional,) = (
        statement["Fn::If"]
        for statement in resource("BucketPolicy")["PolicyDocument"]["Statement"]
        if "Fn::If" in statement
    )
    condition, allowed, _ = conditional
    assert condition == "HasPicturesCdn"
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Action"] == "s3:GetObject"
    assert allowed["Resource"] == {"Fn::Sub": "${Bucket.Arn}/renditions/*"}
    (source,) = allowed["Condition"]["StringEquals"].values()
    assert source["Fn::Sub"].endswith("distribution/${PicturesDistribution}")

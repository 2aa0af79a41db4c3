"""What a month costs: each operation's price, times how often people do it.

    python -m tests.bench.bill

prints the table alone; `make bench` prints it after all others. Volume discounts and free tiers are
left out, and what costs less than a dollar with ten million users: reading the secret, queues.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from tests.bench import cost, prices
from tests.bench.tables import table
from tests.template import functions, template

USERS = (1_000, 100_000, 10_000_000)

# What one of many users does in a month, on average.
HABITS = {
    "read a user": 20.0,  # the application is opened on twenty days
    "change a profile": 0.5,
    "create a user": 0.05,  # one in twenty is new
    "delete a user with a picture": 0.03,
    # One in ten sets another picture; a page asks twice whether it is ready.
    "create an upload": 0.1,
    "send and process a photo": 0.1,
    "read an upload": 0.2,
    "replace a picture": 0.1,
    "clean up after an upload": 0.23,  # the original, the picture before, that of a deleted user
}
VIEWS = 60  # pictures of others that the browser has not kept yet
SHOW = "show a picture"

# A picture in a hundred is half of what is looked at.
POPULAR_PICTURES, POPULAR_VIEWS = 0.01, 0.5
CDN_SECONDS = 300  # how long the CDN keeps a picture
MONTH_SECONDS = 30 * 24 * 60 * 60

PICTURE_BYTES = 11_300  # 256 pixels; the mean of the photos in tests/photos
RENDITIONS_BYTES = 41_100  # all four sizes, likewise
RECORD_BYTES = 2_000  # a user, unique values, the upload and their entries in indexes
ANSWER_BYTES = 1_000  # of JSON

type Services = Mapping[str, float]


def hits() -> float:
    """The share of views that the CDN answers by itself.

    It keeps a picture for five minutes from the first view on; with `rate` views in that time to
    come, one view of `1 + rate` is asked of the API. As if there were one edge: more edges keep
    more copies, and answer less.
    """
    parts = ((POPULAR_VIEWS, POPULAR_PICTURES), (1 - POPULAR_VIEWS, 1 - POPULAR_PICTURES))
    share = 0.0
    for views, pictures in parts:
        rate = VIEWS * views / pictures / MONTH_SECONDS * CDN_SECONDS
        share += views * rate / (1 + rate)
    return share


def month(users: int, operations: Mapping[str, Services], *, cdn: bool) -> dict[str, float]:
    """Dollars a month by service, for some price of each operation in dollars a million."""
    bill = defaultdict(float, _fixed())
    shown = (1 - hits()) if cdn else 1
    for name, times in (*HABITS.items(), (SHOW, VIEWS * shown)):
        for service, dollars in operations[name].items():
            bill[service] += users * times * dollars / prices.MILLION
    answers = sum(HABITS.values()) * ANSWER_BYTES
    pictures = VIEWS * PICTURE_BYTES
    bill["Data transfer"] += _gigabytes(users * answers) * prices.TRANSFER_GB
    if cdn:
        bill["CloudFront"] += _gigabytes(users * pictures) * prices.CLOUDFRONT_GB
        bill["CloudFront"] += users * VIEWS * prices.CLOUDFRONT_REQUEST
    else:
        bill["Data transfer"] += _gigabytes(users * pictures) * prices.TRANSFER_GB
    bill["DynamoDB"] += _gigabytes(users * RECORD_BYTES) * prices.DYNAMODB_GB_MONTH
    bill["S3"] += _gigabytes(users * RENDITIONS_BYTES) * prices.S3_GB_MONTH
    return bill


def rows(operations: Mapping[str, Services]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: dollars a month for each number of users, without and with the CDN."""
    bills = [month(users, operations, cdn=cdn) for users in USERS for cdn in (False, True)]
    heads = ["$ a month"]
    heads += [f"{users:,}{'' if not cdn else ', CDN'}" for users in USERS for cdn in (False, True)]
    services = sorted(
        {name for bill in bills for name in bill}, key=lambda name: -bills[-1].get(name, 0)
    )
    lines = [[name, *(_dollars(bill.get(name, 0)) for bill in bills)] for name in services]
    return heads, [*lines, ["together", *(_dollars(sum(bill.values())) for bill in bills)]]


def alarm_metrics() -> int:
    """How many metrics all alarms that are always there are computed from."""
    alarms = [
        each["Properties"].get("Metrics", [{"MetricStat": {}}])
        for each in template()["Resources"].values()
        if each["Type"] == "AWS::CloudWatch::Alarm" and "Condition" not in each
    ]
    return sum("MetricStat" in query for queries in alarms for query in queries)


def _fixed() -> Iterator[tuple[str, float]]:
    """What a stack costs that nobody uses."""
    from vignette.runtime.telemetry import Metric

    kinds = Counter(each["Type"] for each in template()["Resources"].values())
    api = sum(
        any(each["Type"] == "HttpApi" for each in properties.get("Events", {}).values())
        for properties in functions().values()
    )
    own = len(get_args(Metric.__value__)) + 2 * (api - 1)  # requests and errors of each function
    own += kinds["AWS::Logs::MetricFilter"]
    yield (
        "CloudWatch",
        alarm_metrics() * prices.ALARM
        + kinds["AWS::CloudWatch::Dashboard"] * prices.DASHBOARD
        + own * prices.METRIC,
    )
    yield "Secrets Manager", kinds["AWS::SecretsManager::Secret"] * prices.SECRET


def _gigabytes(count: float) -> float:
    return count / 1024**3


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.2f}"


def main() -> None:
    """Print the table."""
    costs: list[dict[str, Any]] = cost.measure(crowd=0)
    print(table(*rows({each["operation"]: each["dollars_by_service"] for each in costs})))
    print(f"The CDN answers {hits():.0%} of the views.")


if __name__ == "__main__":
    main()

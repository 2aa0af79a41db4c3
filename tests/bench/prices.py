"""What AWS charges, in US dollars: region us-east-1, on demand, beyond the free tiers.

As on the pricing page of each service (aws.amazon.com/SERVICE/pricing); last compared with what
is publicly reported of those pages in November 2026.
The first price of each that has steps. What is charged by the month is at the end.
"""

MILLION = 1_000_000

HTTP_API_REQUEST = 1.00 / MILLION  # API Gateway, HTTP API, the first 300 million a month
LAMBDA_REQUEST = 0.20 / MILLION
LAMBDA_GB_SECOND = 0.0000166667  # x86, the first 6 billion a month
DYNAMODB_READ_UNIT = 0.125 / MILLION
DYNAMODB_WRITE_UNIT = 0.625 / MILLION
LOG_BYTE = 0.50 / 1024**3  # CloudWatch Logs, ingested
S3_REQUEST = {  # S3 Standard
    "GetObject": 0.0004 / 1000,
    "PutObject": 0.005 / 1000,
    "PostObject": 0.005 / 1000,
    "ListObjectsV2": 0.005 / 1000,
    "DeleteObjects": 0.0,
}

# A month's
TRANSFER_GB = 0.09  # from AWS to the internet, the first 10 TB
CLOUDFRONT_GB = 0.085  # from CloudFront, North America and Europe, the first 10 TB
CLOUDFRONT_REQUEST = 0.01 / 10_000  # HTTPS
S3_GB_MONTH = 0.023
DYNAMODB_GB_MONTH = 0.25 + 0.20  # the table, and its point-in-time recovery
SECRET = 0.40
ALARM = 0.10  # for each metric that an alarm is computed from
DASHBOARD = 3.00
METRIC = 0.30  # one of the stack's own; those of AWS are free

# Not published but assumed: how long a function runs, which Lambda bills by the millisecond.
AWS_CALL_MILLISECONDS = 5  # DynamoDB and S3 answer within single-digit milliseconds
OWN_MILLISECONDS = 5
PHOTO_MILLISECONDS = 250  # decoding a photo of 12 megapixels and encoding its renditions

# What Lambda adds to a function's log for every invocation: START, END and REPORT lines.
PLATFORM_LOG_BYTES = 270
# A line of the API's access log, and what CloudWatch adds to every line.
ACCESS_LOG_BYTES = 290

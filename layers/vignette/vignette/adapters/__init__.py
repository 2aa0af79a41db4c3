"""The AWS services behind the domain; nothing else imports boto3."""

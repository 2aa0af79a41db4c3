"""HTTP as every wire format needs it: requests, callers, forms, fields, idempotency."""

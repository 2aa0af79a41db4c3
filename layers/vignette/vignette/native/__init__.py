"""The native wire format: JSON in camelCase under `/api/v1`."""

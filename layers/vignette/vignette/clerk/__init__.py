"""Clerk's Backend API: https://clerk.com/docs/reference/backend-api."""

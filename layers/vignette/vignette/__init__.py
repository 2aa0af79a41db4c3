"""Vignette: user profiles and profile pictures, one core behind three wire formats."""

from vignette.runtime import startup as startup

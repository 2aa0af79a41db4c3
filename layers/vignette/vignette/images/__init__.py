"""Photographs in, renditions out: the only package that decodes or encodes pictures.

Importing it loads no decoder: those are in a process of their own (see `isolation`).
"""

from vignette.images.isolation import process, start
from vignette.images.messages import Result, UnreadableImage, Wanted

__all__ = ["Result", "UnreadableImage", "Wanted", "process", "start"]

"""Photographs in, renditions out: the only package that decodes or encodes pictures."""

from vignette.images.photo import Photo, Rendition, open_photo
from vignette.images.unreadable import UnreadableImage

__all__ = ["Photo", "Rendition", "UnreadableImage", "open_photo"]

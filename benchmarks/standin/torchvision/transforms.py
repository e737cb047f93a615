"""Transforms that can be listed and not be applied."""

from torchvision.missing import names, uncallable

__getattr__ = names("transforms", uncallable)

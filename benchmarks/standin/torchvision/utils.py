"""Functions that cannot be called."""

from torchvision.missing import names, unusable

__getattr__ = names("utils", unusable)

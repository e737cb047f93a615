"""The blocks of Inception v3: classes to derive from that cannot be made."""

from torchvision.missing import names, unusable

__getattr__ = names("models.inception", unusable)

"""Models that cannot be made."""

from torchvision.missing import names, unusable
from torchvision.models import inception

__all__ = ["inception"]
__getattr__ = names("models", unusable)

"""What all tasks ask of a model before they begin: that it draws by itself, at every level, and of no class."""

from __future__ import annotations

from fromnoise.errors import UserError
from fromnoise.model import Model
from fromnoise.model.asked import Label
from fromnoise.model.guidance import Weight


def check_levels(model: Model) -> None:
    """Raise UserError for a model that was distilled, and so knows its own steps alone, or that is given something."""
    if model.config.process.small:
        raise UserError("this model makes small pictures large, and knows no other: use fromnoise upscale")
    if model.config.process.condition:
        raise UserError("this model was adapted to drawings, and draws along nothing else: use fromnoise trace")
    if model.facts.given:
        raise UserError("this model draws its samples given something, which is not given here")
    if model.config.distil.teacher:
        raise UserError("this model was distilled and knows the levels of its own steps alone: name its teacher")


def check_classes(model: Model) -> None:
    """Raise UserError for a model that does not draw by class."""
    if model.config.process.prediction == "class":
        raise UserError("this run tells classes of noisy samples and draws nothing: name one that draws by class")
    if not model.classes:
        raise UserError("this model does not know classes; train one with --process.conditional true")


def weight_for(model: Model, label: Label, weight: Weight = None) -> Weight:
    """The weight that is asked for, or that which tells a model of classes none where there is no label.

    Raises UserError where the model knows nothing without its class, and where a weight has no class to lead to.
    """
    if label is not None or not model.config.process.conditional:
        return weight
    if weight not in (None, 0):
        raise UserError("a weight of guidance leads towards a class: say with label (--label) which")
    if model.config.train.label_dropout == 0:
        raise UserError("this model knows no picture without its class: say with label (--label) which it is")
    return 0.0

"""Figures, pictures, films and pages: data in, something to look at out.

Importing this room is light: matplotlib, Pillow and torch are loaded when something is drawn.
"""

from fromnoise.figures.curves import loss_figure
from fromnoise.figures.data import data_figure
from fromnoise.figures.fields import draw_fields
from fromnoise.figures.film import film, write_film
from fromnoise.figures.likelihood import bound_figure
from fromnoise.figures.page import Code, Film, Heading, Picture, Table, Text, page
from fromnoise.figures.pde import backward_figure, profiles_figure, shares_figure
from fromnoise.figures.pictures import grid, save_each, save_picture, to_uint8
from fromnoise.figures.points import draw_samples, scatter
from fromnoise.figures.schedule import forward_figure, forward_film, schedule_figure
from fromnoise.figures.style import PALETTE, save, style
from fromnoise.figures.tune import tune_figure

__all__ = [
    "PALETTE",
    "Code",
    "Film",
    "Heading",
    "Picture",
    "Table",
    "Text",
    "backward_figure",
    "bound_figure",
    "data_figure",
    "draw_fields",
    "draw_samples",
    "film",
    "forward_figure",
    "forward_film",
    "grid",
    "loss_figure",
    "page",
    "profiles_figure",
    "save",
    "save_each",
    "save_picture",
    "scatter",
    "schedule_figure",
    "shares_figure",
    "style",
    "to_uint8",
    "tune_figure",
    "write_film",
]

"""Figures, pictures, films and pages: data in, something to look at out.

Importing this room is light: matplotlib, Pillow and torch are loaded when something is drawn.
"""

from fromnoise.figures.comparison import Panel, checkpoints_figure, compared_figure
from fromnoise.figures.curves import loss_figure
from fromnoise.figures.data import data_figure
from fromnoise.figures.fields import draw_fields
from fromnoise.figures.film import film, write_film
from fromnoise.figures.higham import denoising_figure, fan_figure, noising_figure, sorted_figure, training_figure
from fromnoise.figures.judge import counts_figure, distances_figure, nearest_figure
from fromnoise.figures.kuras import chain_figure, clouds_figure, normal_figure, process_figure
from fromnoise.figures.likelihood import bound_figure
from fromnoise.figures.network import Block, unet_figure
from fromnoise.figures.page import Code, Film, Heading, Picture, Table, Text, page
from fromnoise.figures.pde import backward_figure, profiles_figure, shares_figure
from fromnoise.figures.pictures import grid, save_each, save_picture, to_uint8
from fromnoise.figures.points import draw_samples, scatter
from fromnoise.figures.restoring import restored_figure
from fromnoise.figures.schedule import forward_figure, forward_film, schedule_figure
from fromnoise.figures.style import PALETTE, save, style
from fromnoise.figures.tune import tune_figure

__all__ = [
    "PALETTE",
    "Block",
    "Code",
    "Film",
    "Heading",
    "Panel",
    "Picture",
    "Table",
    "Text",
    "backward_figure",
    "bound_figure",
    "chain_figure",
    "checkpoints_figure",
    "clouds_figure",
    "compared_figure",
    "counts_figure",
    "data_figure",
    "denoising_figure",
    "distances_figure",
    "draw_fields",
    "draw_samples",
    "fan_figure",
    "film",
    "forward_figure",
    "forward_film",
    "grid",
    "loss_figure",
    "nearest_figure",
    "noising_figure",
    "normal_figure",
    "page",
    "process_figure",
    "profiles_figure",
    "restored_figure",
    "save",
    "save_each",
    "save_picture",
    "scatter",
    "schedule_figure",
    "shares_figure",
    "sorted_figure",
    "style",
    "to_uint8",
    "training_figure",
    "tune_figure",
    "unet_figure",
    "write_film",
]

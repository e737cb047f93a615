"""fromnoise segment: the parts of pictures, from a few of which a person has painted the parts."""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fromnoise.cli.arguments import whole
from fromnoise.cli.outputs import check_apart, check_new_folder, check_numbers, count, note, write_numbers
from fromnoise.cli.progress import bar
from fromnoise.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.data.decode import Shaping
    from fromnoise.model import Model
    from fromnoise.tasks.parts import Colour

EPILOG = """\
Pictures that have a mask of their name in --masks teach; all others in the folder get one, at the model's size. In a
mask each colour is a class: a PNG painted without soft edges, as large as its picture. How well it goes is said, too:
each taught picture is segmented by what the others teach, in five parts. A model that crops sees a picture's middle.

examples:
  fromnoise segment runs/cells cells/ --masks painted/ --out found
"""
SHOWN = 16
"""Pictures in overview.png."""


class Taught(NamedTuple):
    """Pictures x (n, C, H, W) with a class for each pixel, (n, H, W), and the colours of the classes."""

    x: Tensor
    classes: Tensor
    colours: list[Colour]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="RUN", help="a run folder of images, a checkpoint or a bundled name")
    parser.add_argument("images", metavar="IMAGES", help="a folder of pictures")
    parser.add_argument("--masks", required=True, metavar="DIR", help="a folder of masks with the pictures' names")
    parser.add_argument("--out", required=True, metavar="DIR", help="a new folder for masks and overview.png")
    parser.add_argument("--seed", type=whole(0), default=0, help="of what is learned (default 0)")
    parser.add_argument("--network", metavar="MODULE:CLASS", help="the network of your own that the model uses")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> None:
    """Segment."""
    out, images, masks = Path(args.out), Path(args.images), Path(args.masks)
    check_new_folder(out)
    check_numbers(args.json)
    check_apart((args.out, args.json), (args.images, args.masks))
    for folder in (images, masks):
        if not folder.is_dir():
            raise UserError(f"{folder} is no folder; give one of {'pictures' if folder == images else 'masks'}")
    if masks.resolve() == images.resolve():
        raise UserError("--masks is the folder of the pictures: put the masks into one of their own")
    from fromnoise.data.images import find_images
    from fromnoise.model import keep_memory, load
    from fromnoise.tasks import segmenter
    from fromnoise.tasks.pictures import shaping_of

    model = load(args.model, network=args.network)
    shaping, began = shaping_of(model), time.perf_counter()
    painted = {stem: masks / name for stem, name in _by_stem(masks, find_images(masks)).items()}
    inside = masks.resolve()
    pictures = [name for name in find_images(images) if inside not in (images / name).resolve().parents]
    names = _by_stem(images, pictures)
    known = [name for stem, name in names.items() if stem in painted]
    others = [name for stem, name in names.items() if stem not in painted] or known
    if len(known) < 2:
        wanted, there = next((name for name in others if name not in known), "a.png"), next(iter(painted.values()))
        raise UserError(
            f"{len(known)} of the pictures in {images} with a mask of the same name in {masks}, and two must have one: "
            f"that of {wanted} is {masks / Path(wanted).with_suffix('.png')}; there is {there}"
        )
    keep_memory()
    with bar("learning", args.quiet) as update:
        taught = _taught([(images / name, painted[_stem(name)]) for name in known], shaping)
        scores = _held_out(model, taught, args.seed, lambda done, total: update(done, total + 1, ""))
        find = segmenter(model, taught.x, taught.classes, classes=len(taught.colours), seed=args.seed)
    for number, (red, green, blue) in enumerate(taught.colours):
        part = 100 * float((taught.classes == number).double().mean())
        print(f"  class {number}: #{red:02x}{green:02x}{blue:02x}, {part:.2g} % of the taught pixels")
    written, shown = _write(out, images, others, shaping, find, taught.colours)
    _overview(out / "overview.png", shown, taught)
    said = f"{100 * scores['accuracy']:.1f} % of the pixels of {count(len(known), 'picture')} told by the others"
    print(f"{said}, mean overlap (IoU) of {len(taught.colours)} classes {scores['overlap']:.3f}")
    write_numbers(args.json, {"out": str(out), "taught": len(known), "found": written, **scores, "seed": args.seed})
    note(f"{count(written, 'mask')} in {time.perf_counter() - began:.1f} s: {out}")


def _stem(name: str) -> str:
    return str(Path(name).with_suffix(""))


def _by_stem(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Files by their names without endings. Raises UserError where two have one name."""
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(_stem(name), name)
        if other != name:
            raise UserError(f"{folder} holds {other} and {name}: which is meant? Rename or remove one")
    return found


def _taught(pairs: Sequence[tuple[Path, Path]], shaping: Shaping) -> Taught:
    """The pictures with masks, as the model sees both."""
    import torch

    from fromnoise.tasks.parts import classes_of, colours_of, read_colours
    from fromnoise.tasks.pictures import fit_picture, read_image

    pictures, masks = [], []
    for picture, mask in pairs:
        image = read_image(picture)
        pictures.append(fit_picture(image, shaping))
        masks.append(read_colours(mask, image.size))
    colours = colours_of(masks)
    return Taught(torch.cat(pictures), torch.stack([classes_of(mask, colours, shaping) for mask in masks]), colours)


def _held_out(model: Model, taught: Taught, seed: int, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Each part of the taught pictures segmented by a head that learned from the others."""
    import torch

    from fromnoise.tasks import segmenter

    parts, found = min(5, len(taught.x)), torch.zeros_like(taught.classes)
    rows = torch.arange(len(taught.x)) % parts
    for part in range(parts):
        learn = rows != part
        find = segmenter(model, taught.x[learn], taught.classes[learn], classes=len(taught.colours), seed=seed)
        found[~learn] = find(taught.x[~learn])
        progress(part + 1, parts)
    overlaps = []
    for number in range(len(taught.colours)):
        mine, its = found == number, taught.classes == number
        if bool((mine | its).any()):
            overlaps.append(float((mine & its).sum() / (mine | its).sum()))
    return {"accuracy": float((found == taught.classes).double().mean()), "overlap": sum(overlaps) / len(overlaps)}


def _write(
    out: Path, folder: Path, names: Sequence[str], shaping: Shaping, find: Any, colours: Sequence[Colour]
) -> tuple[int, list[tuple[Tensor, Tensor]]]:
    """A mask for each picture, below out/masks; gives their number, and the first pictures with their classes."""
    from fromnoise.model.store import write_file
    from fromnoise.tasks.parts import painted
    from fromnoise.tasks.pictures import fit_picture, read_image

    shown: list[tuple[Tensor, Tensor]] = []
    written = 0
    for name in names:
        try:
            x = fit_picture(read_image(folder / name), shaping)
        except UserError as error:
            note(f"{error}: left out")
            continue
        classes, file = find(x)[0], io.BytesIO()
        painted(classes, colours).save(file, "PNG")
        write_file(out / "masks" / Path(name).with_suffix(".png"), file.getvalue())
        written += 1
        if len(shown) < SHOWN:
            shown.append((x[0], classes))
    return written, shown


def _overview(path: Path, shown: Sequence[tuple[Tensor, Tensor]], taught: Taught) -> None:
    """Pictures and their parts in colours, side by side."""
    import numpy as np
    import torch
    from matplotlib import colormaps

    from fromnoise.figures import save
    from fromnoise.figures.pictures import grid

    palette = np.asarray(taught.colours) / 255
    if all(red == green == blue for red, green, blue in taught.colours):
        palette = colormaps["tab20"](np.arange(len(palette)) % 20)[:, :3]
        palette[0] = 0  # the first is mostly the ground
    tiles = []
    for x, classes in shown:
        colour = x.expand(3, -1, -1) if len(x) == 1 else x[:3]
        tiles += [colour, torch.from_numpy(2 * palette[classes.numpy()] - 1).permute(2, 0, 1).float()]
    if tiles:
        save(grid(torch.stack(tiles), columns=8), path, caption="pictures, and the parts found in them")

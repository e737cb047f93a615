"""fromnoise recipes: what can be trained by name."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("name", nargs="?", help="print this recipe in full, as TOML")
    parser.add_argument("--json", metavar="FILE", help="write all recipes there")


def run(args: argparse.Namespace) -> None:
    """List the recipes, or print one."""
    from fromnoise.cli.outputs import check_numbers, write_numbers
    from fromnoise.model.options import unknown, write_toml
    from fromnoise.training.recipes import recipes

    check_numbers(args.json)
    known = recipes()
    write_numbers(args.json, {name: config.to_dict() for name, config in known.items()})
    if args.name is None:
        width = max(map(len, known))
        for name, config in known.items():
            print(f"{name:{width}}  {config.about}")
    elif args.name in known:
        print(write_toml(known[args.name].to_dict()), end="")
    else:
        raise unknown("recipe", args.name, known)

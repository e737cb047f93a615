"""Run the notebooks and write each beside its text, with what it shows: make notebooks.

python notebooks/make.py [NAME.md ...]

The texts (.md) are what is edited; the .ipynb are made of them. Files that a notebook writes go to a folder that is
thrown away.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def read(page: Path) -> Any:
    """A text as a notebook without outputs, the same whenever it is read."""
    notebook = jupytext.read(page)
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel})
    return notebook


def executed(page: Path) -> Any:
    """The notebook with the outputs of a fresh run."""
    notebook = read(page)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook, timeout=3600, kernel_name="python3", resources={"metadata": {"path": folder}}
        ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def main() -> None:
    for page in [Path(name) for name in sys.argv[1:]] or sorted(HERE.glob("*.md")):
        print(page.name, flush=True)
        nbformat.write(executed(page), page.with_suffix(".ipynb"))


if __name__ == "__main__":
    main()

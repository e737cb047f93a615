"""How Sphinx makes the book: make docs."""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import fromnoise

project = "fromnoise"
author = "the authors of fromnoise"
release = version = fromnoise.__version__

# The notebooks are chapters too, as they were last run (make notebooks).
tutorials = Path(__file__).parent / "tutorials"
shutil.rmtree(tutorials, ignore_errors=True)
tutorials.mkdir()
for notebook in (Path(__file__).parents[1] / "notebooks").glob("*.ipynb"):
    text = notebook.read_text("utf-8").replace("](../docs/", "](../")  # they lie one folder deeper here
    (tutorials / notebook.name).write_text(text, "utf-8")

extensions = ["myst_nb", "sphinx.ext.autodoc", "mathml", "plain", "named"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
html_math_renderer = "mathml"
exclude_patterns = ["_build"]
smartquotes = False  # two hyphens in a line are an option and no dash

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
add_module_names = False
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "fromnoise"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = html_show_sourcelink = html_show_copyright = html_show_sphinx = False
html_theme_options = {"footer_icons": []}

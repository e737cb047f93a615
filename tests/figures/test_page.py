"""A page is one file that says what it is told and runs nothing."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fromnoise.errors import UserError
from fromnoise.figures import Code, Film, Heading, Picture, Table, Text, grid, page, scatter
from fromnoise.figures.film import encode_film
from fromnoise.figures.page import render
from fromnoise.figures.pictures import encode_picture

HOSTILE = "<script>alert(1)</script>\" onload='x' & {title}"


class Reader(HTMLParser):
    """All tags, their attributes, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


PICTURE = grid(np.zeros((1, 1, 4, 4)))
FILM = encode_film([PICTURE, grid(np.ones((1, 1, 4, 4)))])


def everything(text):
    return [
        Heading(text), Heading(text, 3), Text(text), Code(text), Picture(PICTURE, text, text),
        Picture(PICTURE), Film(FILM, text, text), Table([(text, 1, 2.5, True)], (text, "n", "x", "ok"), text),
    ]  # fmt: skip


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).map(str.strip).filter(bool) | st.just(HOSTILE)
)
@settings(deadline=None)
def test_text_stays_text(text):
    read = Reader(render(text, everything(text)))
    calm = Reader(render("a", everything("a")))
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in calm.tags]
    assert [sorted(attributes) for _, attributes in read.tags] == [sorted(attributes) for _, attributes in calm.tags]
    assert read.open == []
    assert text in read.texts
    assert {attributes["alt"] for tag, attributes in read.tags if tag == "img"} == {text, "picture"}


def test_nothing_comes_from_elsewhere_and_nothing_runs(tmp_path):
    page("a", [*everything(HOSTILE), Picture(scatter(np.zeros((3, 2))))], tmp_path / "deep" / "a.html")
    read = Reader((tmp_path / "deep" / "a.html").read_text("utf-8"))
    assert "script" not in [tag for tag, _ in read.tags]
    for _, attributes in read.tags:
        assert not any(name.startswith("on") or name == "href" for name in attributes)
        assert attributes.get("src", "data:").startswith("data:")
    policy = next(a["content"] for tag, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"url\(|@import", render("a", []))


def test_pictures_are_embedded_byte_for_byte():
    data = encode_picture(grid(np.ones((1, 1, 4, 4))))
    (found,) = re.findall(r'src="data:image/png;base64,([^"]+)"', render("a", [Picture(data)]))
    assert base64.b64decode(found) == data


def test_films_are_pictures_that_move_or_videos():
    assert 'src="data:image/webp' in render("a", [Film(FILM)])
    assert "<video" in render("a", [Film(b"\0\0\0\x20ftypisom", "c")])


def test_numbers_stand_on_the_right():
    text = render("a", [Table([("a", 12345, 0.00012345, True)], ("what", "n", "x", "ok"))])
    assert '<td class="number">12,345</td><td class="number">0.0001234</td><td class="words">True</td>' in text
    assert '<th scope="col">what</th><th scope="col" class="number">n</th>' in text


def test_an_empty_line_begins_a_paragraph():
    assert "<p>a</p>\n<p>b</p>" in render("t", [Text("a\n\nb\n\n\n")])


@pytest.mark.parametrize("data", [b"", b"<svg onload=x>", b"%PDF-"])
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError, match="no PNG"):
        render("a", [Picture(data)])


def test_what_is_no_block_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(TypeError, match="not str"):
        page("a", ["text"], tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        page("a", [], tmp_path / "file" / "a.html")

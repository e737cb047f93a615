import io

import datasets
import numpy as np
import pytest
from PIL import Image

from fromnoise.data import hub, load
from fromnoise.errors import UserError


def png(seed):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


@pytest.fixture
def table(monkeypatch):
    """A data set as the hub would give it, and the arguments with which it was asked for."""
    features = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "photo": datasets.Image(),
            "kind": datasets.ClassLabel(names=["cat", "dog", "emu"]),
        }
    )
    rows = {
        "id": [0, 1, 2, 3],
        "photo": [png(0), {"bytes": b"broken", "path": None}, None, png(3)],
        "kind": [2, 0, 0, 1],
    }
    asked = []
    made = datasets.Dataset.from_dict(rows, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **more: asked.append((args, more)) or made)
    return made, asked


def test_images_and_classes_are_found_by_their_type(table):
    data = load("someone/pets", size=16, revision="abc")
    assert data.kind == "images"
    assert data.shape == (3, 16, 16)
    assert data.classes == ("dog", "emu")
    assert data.labels.tolist() == [1, 0]
    assert data.skipped == ("row 1", "row 2")
    assert table[1] == [(("someone/pets", None), {"split": "train", "revision": "abc"})]
    assert set(table[1][0][1]) == {"split", "revision"}  # nothing that would allow remote code


def test_a_second_load_decodes_nothing(table, monkeypatch):
    first = load("someone/pets")
    monkeypatch.setattr(hub, "pack", None)
    np.testing.assert_array_equal(load("someone/pets").rows, first.rows)


def test_columns_may_be_named_and_must_fit(table):
    assert len(load("someone/pets", image="photo", label="kind")) == 2
    with pytest.raises(UserError, match="did you mean 'photo'"):
        load("someone/pets", image="foto")
    with pytest.raises(UserError, match="ClassLabel"):
        load("someone/pets", label="id")
    with pytest.raises(UserError, match="2 images cannot be read: row 1"):
        load("someone/pets", strict=True)


def test_a_table_without_images_is_explained(monkeypatch):
    made = datasets.Dataset.from_dict({"x": [1.0], "y": [2.0]})
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **more: made)
    with pytest.raises(UserError, match="no column of images; it has x, y"):
        load("someone/numbers")


def test_images_without_labels_or_with_unknown_ones_have_no_classes(monkeypatch):
    features = datasets.Features({"photo": datasets.Image(), "kind": datasets.ClassLabel(names=["cat"])})
    hidden = datasets.Dataset.from_dict({"photo": [png(0)], "kind": [-1]}, features=features)
    for made in (hidden, hidden.remove_columns("kind")):
        monkeypatch.setattr(datasets, "load_dataset", lambda *args, made=made, **more: made)
        assert load("someone/pets").labels is None


@pytest.mark.parametrize(
    "error", [ConnectionError("no\nnetwork"), FileNotFoundError("nothing"), ValueError("Unknown split")]
)
def test_whatever_goes_wrong_is_one_line(monkeypatch, error):
    def fail(*args, **more):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(UserError) as caught:
        load("someone/pets")
    assert "someone/pets" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_offline_is_one_line(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="cannot be loaded"):
        load("someone/that-does-not-exist-anywhere")


def test_a_folder_goes_before_the_hub(tmp_path, monkeypatch):
    (tmp_path / "someone" / "pets").mkdir(parents=True)
    (tmp_path / "someone" / "pets" / "a.png").write_bytes(png(0)["bytes"])
    monkeypatch.chdir(tmp_path)
    assert len(load("someone/pets")) == 1


@pytest.mark.parametrize("wrong", [{"split": 3}, {"revision": True}, {"size": 0}, {"channels": 5}])
def test_values_out_of_range_are_named(table, wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        load("someone/pets", **wrong)

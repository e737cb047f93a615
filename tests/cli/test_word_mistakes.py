"""Words that are unknown, missing, of a wrong type or out of range: one line that says what to type instead."""

import re
from pathlib import Path

import numpy as np
import pytest
from commands import IMAGES, POINTS, call, refused, write_image, write_pets, write_table

TRAIN = f"train table.csv --out run {POINTS}"
ROLL = f"train swissroll --out run {POINTS}"

MISTAKES = [
    (
        "",
        "which command\\? demo, train, cascade, adapt, sample, inpaint, upscale, deblur, denoise, anomalies, "
        "classify, segment, augment, vary, trace, distil, tune, judge, compare, likelihood, show, figures, pde, "
        "recipes, doctor",
    ),
    ("--quiet", "see fromnoise --help"),
    ("trian swissroll", "unknown command trian; did you mean train"),
    ("frobnicate", "unknown command frobnicate; known: demo, train, cascade, adapt, sample"),
    ("train", "arguments are required: WHAT, --out; see fromnoise train --help"),
    ("train swissroll", "arguments are required: --out; see fromnoise train --help"),
    ("train swissroll --out swissroll", "comes with the package: give another --out, as runs/swissroll"),
    ("distil table --out table", "is the teacher's folder; give the student one of its own"),
    ("train --out run", "arguments are required: WHAT"),
    ("train swissroll --out", "--out: expected one argument"),
    ("train swisroll --out run", "unknown recipe or data swisroll; did you mean swissroll"),
    ("train qqq --out run", "unknown recipe or data qqq; known: .*swissroll"),
    ("train nosuch/ --out run", "no such file or folder: nosuch/; check the path"),
    ("train ./nosuch.csv --out run", "no such file or folder: ./nosuch.csv"),
    ("train '' --out run", "'' is no data source; give swissroll"),
    (f"{TRAIN} extra", "unknown argument extra; see fromnoise train --help"),
    (f"{TRAIN} --quite", "unknown argument --quite; did you mean --quiet"),
    (f"{TRAIN} --lr 3", "unknown argument --lr; did you mean --train.lr"),
    (f"{TRAIN} --step=3", "unknown argument --step=3; did you mean --train.steps"),
    (f"{TRAIN} --zzz 3", "unknown argument --zzz; see fromnoise train --help"),
    (f"{TRAIN} -x", "unknown argument -x; see fromnoise train --help"),
    (f"{TRAIN} --train.lrr 1", "unknown key train.lrr; did you mean train.lr\\?"),
    (f"{TRAIN} --trian.lr 1", "unknown section trian; did you mean train\\?"),
    (f"{TRAIN} --network.widht 8", "unknown key network.widht; did you mean network.width"),
    (f"{TRAIN} --schedule.TT 8", "unknown key schedule.TT"),
    (f"{TRAIN} --data.n 8", "table.csv has no option 'n'; there is layout, label, key, header"),
    (f"{ROLL} --data.nosie 1", "swissroll has no option 'nosie'; did you mean 'noise'"),
    (f"{TRAIN} --train.lr", "--train.lr needs a value: --train.lr VALUE"),
    (f"{TRAIN} --train.lr --strict", "--train.lr needs a value"),
    (f"{TRAIN} --train.lr=", "train.lr takes a number, got ''"),
    (f"{TRAIN} --train.lr fast", "train.lr takes a number, got 'fast'"),
    (f"{TRAIN} --train.lr 0", "train.lr must be above 0, got 0"),
    (f"{TRAIN} --train.lr -1", "train.lr must be above 0, got -1"),
    (f"{TRAIN} --train.lr nan", "train.lr must be above 0, got nan"),
    (f"{TRAIN} --train.steps many", "train.steps takes a whole number, got 'many'"),
    (f"{TRAIN} --train.steps 2.5", "train.steps takes a whole number, got 2.5"),
    (f"{TRAIN} --train.steps -1", "train.steps must not be negative, got -1"),
    (f"{TRAIN} --train.steps 0", "how long\\? Give --train.steps N or --train.epochs N"),
    (f"{TRAIN} --train.steps 3 --train.epochs 2", "train.steps and train.epochs both say how long"),
    (f"{TRAIN} --train.batch 0", "train.batch must be above 0, got 0"),
    (f"{TRAIN} --train.batch 8 --train.accumulate 3", "train.batch \\(8\\) must be a multiple of train.accumulate"),
    (f"{TRAIN} --train.seed -1", "train.seed must lie in"),
    (f"{TRAIN} --train.seed 99999999999999999999", "train.seed must lie in"),
    (f"{TRAIN} --train.clip -1", "train.clip must not be negative, got -1"),
    (f"{TRAIN} --train.ema 1", "train.ema must be below 1"),
    (f"{TRAIN} --train.ema 2", "train.ema must lie in"),
    (f"{TRAIN} --train.label_dropout 2", "train.label_dropout must lie in"),
    (f"{TRAIN} --train.betas [0.9]", "train.betas takes a list"),
    (f"{TRAIN} --train.betas [0.9,1]", "train.betas must lie in"),
    (f"{TRAIN} --train.optimizer sgd", "train.optimizer is adam or adamw or muon, got 'sgd'"),
    (f"{TRAIN} --train.decay exp", "train.decay is none or linear or cosine, got 'exp'"),
    (f"{TRAIN} --train.precision fp8", "train.precision is auto or fp32 or bf16 or fp16, got 'fp8'"),
    (f"{TRAIN} --train.tracker nosuch", "train.tracker nosuch cannot be used here"),
    (f"{TRAIN} --train.flip true", "train.flip mirrors images, and these data are points"),
    (f"{TRAIN} --process.prediction esp", "unknown prediction esp; did you mean eps"),
    (f"{TRAIN} --process.loss smiple", "unknown loss smiple; did you mean simple"),
    (f"{TRAIN} --process.variance lrage", "unknown variance lrage; did you mean large"),
    (f"{TRAIN} --process.variance learned", "variance = learned and loss = hybrid go together"),
    (f"{TRAIN} --process.conditional yes", "process.conditional takes true or false, got 'yes'"),
    (f"{TRAIN} --process.conditional true", "process.conditional needs labels, and these data have none"),
    (f"{TRAIN} --sample.weight 2", "sample.weight guides towards a class"),
    (f"{TRAIN} --sample.batch 0", "sample.batch must be above 0"),
    (f"{TRAIN} --schedule.name linaer", "unknown schedule linaer; did you mean linear"),
    (f"{TRAIN} --schedule.T 0", "T must be a whole number of steps, at least 1, got 0"),
    (f"{TRAIN} --schedule.T 2.5", "schedule.T takes a whole number, got 2.5"),
    (f"{TRAIN} --schedule.T many", "schedule.T takes a whole number, got 'many'"),
    (f"{TRAIN} --schedule.first 2", "strictly between 0 and 1"),
    (f"{TRAIN} --schedule.T 1000000000000000", "allocate|memory"),
    (f"{TRAIN} --network.name mpl", "unknown network mpl; did you mean mlp"),
    (f"{TRAIN} --network.width eight", "network.width takes a whole number, got 'eight'"),
    (f"{TRAIN} --facts.n 3", "\\[facts\\] lacks kind"),
    (f"{TRAIN} --data.name", "--data.name needs a value"),
    (f"{TRAIN} --data.name nosuch", "unknown data set 'nosuch' \\(built in: swissroll"),
    (f"{TRAIN} --strict", "--strict is for folders of images, and table.csv is none: leave it out"),
    (f"{ROLL} --data.n 0", "n = 0 must be a whole number from 1"),
    (f"{ROLL} --data.n -1", "n = -1 must be a whole number from 1"),
    (f"{ROLL} --data.seed -1", "seed = -1"),
    (f"{ROLL} --data.noise loud", "noise = 'loud' must be a number from 0"),
    (f"train photos --out run {IMAGES} --data.size 0", "size = 0 must be a whole number from 1"),
    (f"train photos --out run {IMAGES} --data.size big", "size = 'big' must be a whole number"),
    (f"train photos --out run {IMAGES} --data.size [8,8,8]", "must be one side or \\[height, width\\]"),
    (f"train photos --out run {IMAGES} --data.fit corp", "did you mean 'crop'"),
    (f"train photos --out run {IMAGES} --data.channels 2", "channels = 2 must be one of 'auto', 1, 3, 4"),
    (f"train photos --out run {IMAGES} --network.multiples 3", "network.multiples takes .*got 3"),
    (f"train photos --out run {IMAGES} --network.dropout 2", "dropout is a probability, at least 0 and below 1"),
    (f"{TRAIN} --network nocolon", "unknown network nocolon"),
    (f"{TRAIN} --network nosuchmodule:Net", "no module named 'nosuchmodule'; check its spelling"),
    (f"{TRAIN} --network math:Nothing", "module 'math' has no class 'Nothing'"),
    (f"{TRAIN} --network math:pi", "'math:pi' is not a network; give a subclass of torch.nn.Module"),
    (f"{TRAIN} --network math:", "'math:' does not name a network class; write package.module:Class"),
    ("sample", "arguments are required: RUN, --out; see fromnoise sample --help"),
    ("sample run --out a.png --labels 1", "unknown argument --labels; did you mean --label"),
    ("sample run --out a.png --train.lr 1", "unknown argument --train.lr; see fromnoise sample --help"),
    ("sample run --out a.png -n 0", "argument -n: takes a whole number, at least 1, not 0; see"),
    ("sample run --out a.png -n -1", "argument -n: takes a whole number, at least 1, not -1"),
    ("sample run --out a.png -n many", "argument -n: takes a whole number, at least 1, not many"),
    ("sample run --out a.webp -n 0", "argument -n: takes a whole number, at least 1, not 0"),
    ("sample run --out a.png --seed -1", "argument --seed: takes a whole number, at least 0, not -1"),
    ("sample run --out a.png --seed 99999999999999999999", "--seed: takes .* at most 9223372036854775807, not 9999"),
    ("sample run --out a.png --steps 0", "argument --steps: takes a whole number, at least 1, not 0"),
    ("sample run --out a.png --weight nan", "argument --weight: takes a number, not nan"),
    ("sample run --out a.png --weight much", "argument --weight: takes a number, not much"),
    ("sample run --out a.bmp", "cannot write .bmp: use .png, .npz, .npy, .csv, .webp, .gif, .mp4 or a folder"),
    ("show", "arguments are required: view, WHAT, --out; see fromnoise show --help"),
    ("show dat swissroll --out a.png", "invalid choice: 'dat' \\(choose from"),
    ("show data swisroll --out a.png", "unknown recipe or data swisroll; did you mean swissroll"),
    ("show data swissroll", "arguments are required: --out"),
    ("show data swissroll --out a.bmp", "cannot write a.bmp: use .png, .svg or .pdf"),
    ("show data swissroll --out a.webp", "cannot write a.webp: use .png, .svg or .pdf"),
    ("show forward swissroll --out a", "cannot write a: use .png, .svg, .pdf, .webp, .gif or .mp4"),
    ("show data swissroll --out a.png -n 0", "argument -n: takes a whole number, at least 1, not 0"),
    ("show data swissroll --out a.png --seed -1", "argument --seed: takes a whole number"),
    ("show data swissroll --out a.png --data.n 0", "n = 0 must be a whole number"),
    ("show schedule swissroll --out a.png --schedule.name linaer", "unknown schedule linaer; did you mean linear"),
    ("recipes swisroll", "unknown recipe swisroll; did you mean swissroll"),
    ("recipes a b", "unknown argument b; see fromnoise recipes --help"),
    ("doctor now", "unknown argument now; see fromnoise doctor --help"),
    ("doctor --train.lr 1", "unknown argument --train.lr; see fromnoise doctor --help"),
]


@pytest.fixture
def data(place):
    write_table(Path("table.csv"))
    write_image(Path("photos/a.png"))


@pytest.mark.parametrize(("line", "says"), MISTAKES, ids=[line[:60] or "nothing" for line, _ in MISTAKES])
def test_a_wrong_word_is_refused(line, says, data):
    refused(line, says)


def test_a_setting_may_stand_before_the_data():
    write_table(Path("table.csv"))
    said = call(f"train --train.lr 3e-4 --train.clip -1 table.csv --out run {POINTS}")
    assert "train.clip must not be negative, got -1.0" in said.err
    said = call(f"train --train.lr 3e-4 --schedule.T=8 table.csv --out run {POINTS}")
    assert said.code == 0, said.err
    assert "lr = 0.0003" in Path("run/config.toml").read_text()


def test_a_network_of_ones_own_says_what_it_lacks(monkeypatch):
    """A class that cannot be made with a shape, and a module that cannot be imported."""
    write_table(Path("table.csv"))
    Path("mine.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self): super().__init__()\n"
    )
    Path("torn.py").write_text("def (")
    Path("needy.py").write_text("import nosuchthing")
    monkeypatch.syspath_prepend(str(Path().resolve()))
    refused(f"train table.csv --out run {POINTS} --network mine:Net", "mine:Net|network")
    refused(f"train table.csv --out run {POINTS} --network torn:Net", "importing 'torn' failed with SyntaxError")
    refused(f"train table.csv --out run {POINTS} --network needy:Net", "'needy' needs the module 'nosuchthing'")


def test_a_hub_that_cannot_be_reached(monkeypatch):
    import datasets
    import huggingface_hub

    def offline(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    says = "no folder owner/name here, and the hub's data set .* cannot be loaded: no route to host"
    refused(f"train owner/name --out run {IMAGES}", says)
    refused("show data owner/name --out a.png", says)
    refused("sample owner/name --out a.png", "no folder owner/name here, and the hub did not give it: no route")


def test_every_line_is_short_and_starts_the_same():
    """No line is longer than a terminal of three rows, and none ends in a full stop or speaks Python."""
    write_table(Path("table.csv"))
    write_pets(Path("photos"))
    np.savez("two.npz", a=np.zeros((4, 2)), b=np.zeros((4, 2)))
    for line, _ in MISTAKES[::7]:
        said = call(line).err.strip()
        assert len(said) < 330, said
        assert not said.endswith("."), said
        assert not re.search(r"Traceback|Error\b|None\b|unexpected", said), said

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError

from fromnoise.data import decode
from fromnoise.data.decode import FITS, RESAMPLE, Shaping, open_image, to_array, widen

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16", "F", "PA"]


@settings(deadline=None, max_examples=200)
@given(
    mode=st.sampled_from(MODES),
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    goal=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.sampled_from([0, 1, 3, 4]),
    fit=st.sampled_from(FITS),
    resample=st.sampled_from(sorted(RESAMPLE)),
    background=st.sampled_from(["white", "black"]),
)
def test_any_mode_and_size_gives_the_shape_asked_for(mode, width, height, goal, channels, fit, resample, background):
    image = Image.new(mode, (width, height))
    pixels = to_array(image, Shaping(*goal, channels, fit, resample, background))
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.shape == (channels or len(pixels), *goal)
    assert len(pixels) in (1, 3, 4)


def saved(image, name, **options):
    file = io.BytesIO()
    image.save(file, name, **options)
    file.seek(0)
    return file


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


SAME = Shaping(9, 7)


def test_the_same_size_keeps_every_pixel():
    for channels, mode in ((1, "L"), (3, "RGB")):
        pixels = noise(9, 7, channels)
        file = saved(Image.fromarray(pixels.squeeze()), "PNG")
        for fit in FITS:
            got = to_array(open_image(file), Shaping(9, 7, fit=fit))
            np.testing.assert_array_equal(got, pixels.transpose(2, 0, 1), err_msg=mode)
            file.seek(0)


def test_sixteen_bits_are_scaled_and_not_clipped():
    values = np.arange(0, 65536, 1040, dtype=np.uint16)[:63].reshape(9, 7)
    png = open_image(saved(Image.fromarray(values), "PNG"))
    wide = Image.fromarray(values.astype(np.int32))
    fine = Image.fromarray(values.astype(np.float32))
    unit = Image.fromarray((values / 65535).astype(np.float32))
    bytes_ = Image.fromarray((values / 257).astype(np.float32))
    for image in (png, wide, fine, unit, bytes_):
        np.testing.assert_array_equal(to_array(image, SAME)[0], np.rint(values / 257))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, 70000.0])
def test_floats_without_a_known_range_are_refused(value):
    with pytest.raises(ValueError, match="npy"):
        to_array(Image.fromarray(np.full((3, 3), value, np.float32)), SAME)


def test_as_few_channels_as_needed():
    gray = Image.fromarray(noise(9, 7))
    assert len(to_array(gray.convert("RGB"), SAME)) == 1
    assert len(to_array(gray.convert("RGBA"), SAME)) == 1
    assert len(to_array(Image.fromarray(noise(9, 7, 3)), SAME)) == 3
    see_through = Image.fromarray(noise(9, 7, 4))
    assert len(to_array(see_through, SAME)) == 4
    assert to_array(see_through, Shaping(9, 7, 3)).shape == (3, 9, 7)


def test_a_palette_with_a_transparent_colour_is_transparent():
    image = Image.new("P", (7, 9), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    pixels = to_array(open_image(saved(image, "PNG", transparency=0)), SAME)
    assert len(pixels) == 4
    assert pixels[3, 0, 0] == 0
    assert pixels[3, 5, 5] == 255
    assert pixels[:3, 5, 5].tolist() == [0, 0, 255]


@pytest.mark.parametrize(("background", "level"), [("white", 255), ("black", 0)])
def test_dropped_alpha_shows_the_background_and_not_what_it_hid(background, level):
    hidden = Image.new("RGBA", (7, 9), (10, 200, 30, 0))
    assert (to_array(hidden, Shaping(9, 7, 3, background=background)) == level).all()


def test_transparent_pixels_do_not_bleed_their_colour():
    """Red beside transparent green: premultiplied resampling keeps every visible pixel red."""
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[:, :8] = (255, 0, 0, 255)
    pixels[:, 8:] = (0, 255, 0, 0)
    small = to_array(Image.fromarray(pixels), Shaping(5, 5, 4))
    assert small[1].max() == 0
    assert 0 < small[3, 2, 2] < 255


def test_cmyk_jpegs_keep_their_colours():
    red = Image.new("RGB", (64, 64), (220, 30, 40)).convert("CMYK")
    pixels = to_array(open_image(saved(red, "JPEG", quality=95), 8), Shaping(8, 8))
    np.testing.assert_allclose(pixels[:, 4, 4], [220, 30, 40], atol=4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation):
    """The pixels are stored so that the viewer's orientation gives back the upright picture."""
    upright = Image.fromarray(noise(9, 7, 3))
    undo = {
        2: 0,
        3: 3,
        4: 1,
        5: 5,
        6: 2,
        7: 6,
        8: 4,
    }  # PIL.Image.Transpose that stores it in this orientation
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = to_array(open_image(saved(stored, "PNG", exif=exif)), SAME)
    np.testing.assert_array_equal(got, np.asarray(upright).transpose(2, 0, 1))


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_exif_block_does_not_spoil_the_pixels():
    file = saved(Image.fromarray(noise(9, 7)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff junk")
    assert to_array(open_image(file), SAME).shape == (1, 9, 7)


def test_animations_give_their_first_frame():
    frames = [Image.new("RGB", (7, 9), colour) for colour in ("red", "blue")]
    for name in ("GIF", "PNG", "WEBP", "TIFF"):
        file = saved(frames[0], name, save_all=True, append_images=frames[1:])
        red, green, blue = to_array(open_image(file), Shaping(9, 7, 3)).reshape(3, -1).mean(1)
        assert (red > 240, green < 15, blue < 15) == (True, True, True), name


def test_crop_takes_the_middle_pad_keeps_all_stretch_fills():
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255
    image = Image.fromarray(wide)
    assert (to_array(image, Shaping(10, 10, fit="crop")) == 255).all()
    padded = to_array(image, Shaping(30, 30, fit="pad", background="black"))[0]
    np.testing.assert_array_equal(padded[10:20], wide)
    assert not padded[:10].any()
    assert not padded[20:].any()
    stretched = to_array(image, Shaping(30, 30, fit="stretch"))[0]
    np.testing.assert_array_equal(stretched, np.repeat(wide, 3, axis=0))


def test_padding_a_transparent_image_is_transparent_and_an_opaque_one_is_not():
    half = Image.new("RGBA", (8, 4), (9, 9, 9, 128))
    assert to_array(half, Shaping(8, 8, fit="pad"))[3, 0].max() == 0
    assert to_array(Image.new("RGB", (8, 4)), Shaping(8, 8, 4, fit="pad"))[3].min() == 255


def test_reduction_is_antialiased():
    """A fine checkerboard becomes gray; without an antialiasing filter it would stay black or white."""
    board = np.indices((256, 256)).sum(0) % 2 * 255
    for resample in RESAMPLE:
        small = to_array(Image.fromarray(board.astype(np.uint8)), Shaping(16, 16, resample=resample))
        assert abs(small[:, 2:-2, 2:-2].astype(int) - 127).max() <= 8, resample


def test_the_quick_way_through_a_large_jpeg_agrees_with_the_slow_one():
    smooth = Image.fromarray(noise(8, 8, 3)).resize((800, 600), Image.Resampling.BICUBIC)
    file = saved(smooth, "JPEG", quality=95)
    slow = to_array(open_image(file), Shaping(32, 32)).astype(int)
    file.seek(0)
    quick_image = open_image(file, 32)
    assert quick_image.width < 800
    assert min(quick_image.size) >= 64
    assert abs(to_array(quick_image, Shaping(32, 32)).astype(int) - slow).max() <= 4


@pytest.mark.filterwarnings("ignore")
def test_hostile_files_are_refused():
    bomb = io.BytesIO(b"P5 60000 60000 255\n" + bytes(100))
    mild = io.BytesIO(b"P5 10000 10000 255\n" + bytes(100))
    for file in (bomb, mild, io.BytesIO(b"text"), io.BytesIO(b"")):
        with pytest.raises((Image.DecompressionBombError, ValueError, OSError)):
            open_image(file)


def test_the_limit_of_pixels_is_ours_and_not_only_a_warning(monkeypatch):
    file = saved(Image.fromarray(noise(9, 7)), "PNG")
    monkeypatch.setattr(decode, "MOST_PIXELS", 62)
    with pytest.raises(ValueError, match="7 x 9 pixels"):
        open_image(file)


def test_postscript_never_reaches_its_interpreter():
    script = io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    with pytest.raises(UnidentifiedImageError):
        open_image(script)


def test_widening_loses_nothing():
    gray, colour = noise(1, 3, 3), noise(3, 3, 3)
    np.testing.assert_array_equal(widen(gray, 3), np.repeat(gray, 3, 0))
    np.testing.assert_array_equal(widen(colour, 4)[:3], colour)
    assert widen(colour, 4)[3].min() == 255
    assert widen(colour, 3) is colour

"""What people send as a photo: bounded, upright, and without anything but pixels."""

import io
import random
import struct
import zlib

import pytest
from PIL import Image, ImageCms
from PIL.ExifTags import GPS, IFD, Base

from chargers import pictures
from sharecharge.errors import Refused

RED, BLUE = (200, 30, 30), (30, 30, 200)
PLACE = (49.0, 52.0, 7.0)


def picture(size: tuple[int, int] = (640, 480), mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    made = Image.new("RGB", size, RED)
    made.paste(BLUE, (size[0] // 2, 0, *size))
    return made.convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def from_a_phone(orientation: int = 1, kind: str = "JPEG") -> bytes:
    """With the place, a maker's comment and a profile of its colours, like all that phones make."""
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    exif[Base.Model] = "Canary Phone 9"
    exif.get_ifd(IFD.GPSInfo).update({GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: PLACE, GPS.GPSLongitude: PLACE})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return encoded(
        picture(), kind, exif=exif, icc_profile=profile, **({"comment": b"Canary"} if kind == "JPEG" else {})
    )


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["JPEG"])


def colours(image: Image.Image) -> list[str]:
    """Of the middle of each side: left, top, right, bottom."""
    width, height = image.size
    points = [(4, height // 2), (width // 2 - 9, 4), (width - 4, height // 2), (width // 2 - 9, height - 4)]
    reds = image.getchannel("R").tobytes()
    return ["red" if reds[row * width + column] > 120 else "blue" for column, row in points]


@pytest.mark.parametrize("kind", pictures.FORMATS)
def test_nothing_is_left_of_what_a_phone_writes_into_a_photo(kind):
    sent = from_a_phone(kind=kind)
    assert b"Canary" in sent
    with Image.open(io.BytesIO(sent)) as seen:
        assert seen.getexif().get_ifd(IFD.GPSInfo)[GPS.GPSLatitude] == PLACE  # or this test would find nothing
    made = pictures.make(sent)
    for data in (made.large, made.small):
        image = opened(data)
        image.load()
        assert dict(image.getexif()) == {}
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression"}
        assert b"Canary" not in data
        assert b"Exif" not in data
        assert b"ICC_PROFILE" not in data


@pytest.mark.parametrize(
    ("orientation", "sides"),
    [(1, "red red blue red"), (3, "blue blue red blue"), (6, "red red red blue"), (8, "blue blue blue red")],
)
def test_it_stands_upright(orientation, sides):
    image = opened(pictures.make(from_a_phone(orientation)).large)
    assert image.size == ((640, 480) if orientation in (1, 3) else (480, 640))
    left, top, right, bottom = colours(image)
    expected = sides.split()
    if orientation in (1, 3):
        assert (left, right) == (expected[0], expected[2])
    else:
        assert (top, bottom) == (expected[1], expected[3])


@pytest.mark.parametrize(
    ("size", "large", "small"),
    [
        ((4000, 3000), (1600, 1200), (480, 360)),
        ((900, 3600), (400, 1600), (120, 480)),
        ((300, 200), (300, 200), (300, 200)),
    ],
)
def test_the_two_sizes(size, large, small):
    made = pictures.make(encoded(picture(size)))
    assert (made.width, made.height) == large
    assert (opened(made.large).size, opened(made.small).size) == (large, small)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA", "RGBA", "I;16"])
def test_every_kind_of_png_becomes_a_jpeg(mode):
    base = (
        Image.new("I;16", (60, 40))
        if mode == "I;16"
        else picture((60, 40), "L" if mode == "LA" else "RGB").convert(mode)
    )
    assert opened(pictures.make(encoded(base, "PNG")).large).mode == "RGB"


def test_what_is_clear_becomes_white():
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert opened(pictures.make(encoded(clear, "PNG")).large).getpixel((20, 20)) == (255, 255, 255)


def test_a_cmyk_jpeg_is_read():
    assert opened(pictures.make(encoded(picture(mode="CMYK"))).large).mode == "RGB"


def bomb(width: int, height: int) -> bytes:
    """A PNG that promises this many pixels and holds none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "photo_unreadable"),
        (b"GIF89a" + bytes(100), "photo_unreadable"),
        (encoded(picture(), "GIF"), "photo_unreadable"),
        (encoded(picture(), "TIFF"), "photo_unreadable"),
        (encoded(picture())[:2000], "photo_unreadable"),
        (encoded(picture(), "PNG")[:300], "photo_unreadable"),
        (encoded(picture(), "WEBP")[:300], "photo_unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "photo_unreadable"),
        (HEIC, "photo_is_heic"),
        (bomb(4000, 3001), "photo_too_many_pixels"),
        (bomb(60_000, 60_000), "photo_too_many_pixels"),
        (encoded(picture()) + bytes(pictures.MOST_BYTES), "photo_too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_refused(data, code):
    with pytest.raises(Refused) as refused:
        pictures.make(data)
    assert (refused.value.code, refused.value.field) == (code, "file")


def test_the_next_one_is_looked_at_after_one_that_was_refused():
    with pytest.raises(Refused):
        pictures.make(b"nothing")
    assert pictures.make(encoded(picture())).width == 640


def test_a_jpeg_with_a_second_picture_behind_it_is_one():
    sent = encoded(picture(), "MPO", save_all=True, append_images=[picture()])
    with Image.open(io.BytesIO(sent)) as seen:
        assert seen.format == "MPO"  # or this test would find nothing
    made = pictures.make(sent)
    assert (made.width, made.height) == (640, 480)


def test_tags_that_cannot_be_read_cost_no_photo(monkeypatch):
    def broken(self):
        raise TypeError("odd tags")

    monkeypatch.setattr(Image.Image, "getexif", broken)
    assert pictures.make(encoded(picture())).width == 640


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A few bytes are others, gone or too many: mostly at the front, where tags and sizes stand."""
    made = bytearray(data)
    for _i in range(chance.choice([1, 2, 6])):
        at = chance.randrange(chance.choice([60, 400, len(made)]))
        change = chance.choice([b"", b"\x00", b"\xff", b"\x80", chance.randbytes(1), chance.randbytes(4)])
        made[at : at + chance.choice([0, 1, 1, 1, 4])] = change
    return bytes(made[: chance.choice([len(made), len(made), len(made), len(made) // 2])])


@pytest.mark.filterwarnings("ignore:.*EXIF:UserWarning", "ignore:.*[Tt]runcated:UserWarning")
@pytest.mark.parametrize("kind", pictures.FORMATS)
def test_what_is_damaged_is_refused_or_becomes_a_clean_picture(kind):
    chance, sent, ends = random.Random(1606), from_a_phone(6, kind), {"made": 0, "refused": 0}
    for _i in range(150):
        try:
            made = pictures.make(damaged(sent, chance))
        except Refused:
            ends["refused"] += 1
        else:
            ends["made"] += 1
            assert dict(opened(made.large).getexif()) == {}
            assert b"Canary" not in made.large + made.small
    assert min(ends.values()) > 2, ends

"""Pictures that people send: looked at within bounds, and made anew without anything that is hidden in them.

A phone writes into each photo where it was taken, which for a wallbox is somebody's home. So nothing of the file is
kept but its pixels.
"""

import io
import struct
import threading
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _
from PIL import ExifTags, Image

from sharecharge.errors import Refused

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_BYTES = 10 * 1024 * 1024
# A JPEG is read in a reduced size, so it costs a fraction of its pixels; the others have to be read whole.
MOST_PIXELS = {"JPEG": 50_000_000, "PNG": 12_000_000, "WEBP": 12_000_000}
# The longest side, in pixels.
LARGE, SMALL = 1600, 480
QUALITY = 82
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Brands of the container that HEIC and AVIF share with videos (ISO/IEC 23008-12).
HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}

# What the library says of a damaged file. One of no kind that it knows is an OSError.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error)

# One at a time in each process: the biggest pictures need 200 MB while they are looked at.
looking = threading.Lock()


@dataclass(frozen=True, slots=True)
class Made:
    """Two JPEGs of one picture; width and height are those of the large one."""

    width: int
    height: int
    large: bytes
    small: bytes


def make(data: bytes) -> Made:
    """Refused: too many bytes or pixels, no JPEG, PNG or WebP, or it is damaged."""
    if len(data) > MOST_BYTES:
        raise Refused("photo_too_large", TOO_LARGE, status=413, field="file")
    if data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS:
        raise Refused("photo_is_heic", IS_HEIC, status=400, field="file")
    with looking:
        try:
            large = _pixels(data)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_many_pixels() from None
        except DAMAGE:
            raise Refused("photo_unreadable", UNREADABLE, status=400, field="file") from None
        small = large.copy()
        small.thumbnail((SMALL, SMALL))
        return Made(*large.size, _jpeg(large), _jpeg(small))


TOO_LARGE = _("The photo is larger than 10 MB. Send a smaller one.")
IS_HEIC = _("This is a HEIC picture, which browsers cannot show. Save it as JPEG and send that.")
UNREADABLE = _("This is no JPEG, PNG or WebP picture, or it is damaged.")


def _too_many_pixels() -> Refused:
    text = _("The photo has too many pixels. Send one of at most %(jpeg)s megapixels (JPEG) or %(other)s (PNG, WebP).")
    most = {"jpeg": MOST_PIXELS["JPEG"] // 1_000_000, "other": MOST_PIXELS["PNG"] // 1_000_000}
    return Refused("photo_too_many_pixels", text % most, status=400, field="file")


def _pixels(data: bytes) -> Image.Image:
    """At most LARGE pixels wide and high, upright, and nothing but pixels."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        # A JPEG with a second picture behind it, as some phones write it, calls itself MPO.
        kind = "JPEG" if opened.format == "MPO" else opened.format or "PNG"
        if opened.width * opened.height > MOST_PIXELS[kind]:
            raise _too_many_pixels()
        turn = TURNS.get(_orientation(opened))
        opened.draft("RGB", (LARGE, LARGE))
        opened.thumbnail((LARGE, LARGE))
        flat = _on_white(opened)
        return flat if turn is None else flat.transpose(turn)


def _orientation(opened: Image.Image) -> int:
    """How the camera was held (EXIF 2.32 §4.6.4); 1, upright, where that cannot be read. The library's own
    `exif_transpose` writes the rest of the tags anew, and fails at odd ones."""
    try:
        told = opened.getexif().get(ExifTags.Base.Orientation, 1)
    except (
        *DAMAGE,
        TypeError,
        LookupError,
        ArithmeticError,
    ):  # tags of any type and number; the pixels are what counts
        return 1
    return told if isinstance(told, int) else 1


def _on_white(picture: Image.Image) -> Image.Image:
    """A new picture: the library writes comments and profiles of one that it has read into its copy."""
    made = Image.new("RGB", picture.size, "white")
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        made.paste(clear, mask=clear)
    else:
        made.paste(picture.convert("RGB"))
    return made


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return file.getvalue()

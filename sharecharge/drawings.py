"""Pictures of made-up wallboxes for the demo: drawn here, so that they are nobody's. Pure."""

import io

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1280, 960
# Drawn bigger and made smaller: edges become smooth.
FINER = 2
# Sky above and at the horizon, wall, door, and the light of the wallbox.
HOUSES = (
    ((96, 150, 214), (214, 232, 247), (235, 224, 203), (122, 84, 58), (86, 214, 140)),
    ((250, 176, 120), (255, 226, 190), (214, 205, 222), (84, 88, 110), (120, 200, 255)),
    ((58, 74, 128), (150, 148, 190), (222, 206, 190), (70, 78, 74), (255, 196, 90)),
)
Colour = tuple[int, int, int]
GROUND, KERB, GRASS, DARK = (126, 130, 138), (168, 170, 176), (110, 154, 92), (38, 42, 54)


def house(number: int) -> bytes:
    """A drive with a garage and a wallbox beside its door, as JPEG."""
    above, below, wall, door, light = HOUSES[number % len(HOUSES)]
    picture = _sky(above, below)
    draw = ImageDraw.Draw(picture)
    _box(draw, (0, 620, 1280, 960), GRASS)
    draw.polygon(_finer((150, 660, 1130, 660, 1280, 960, 0, 960)), fill=GROUND)
    _box(draw, (130, 280, 1150, 680), wall)
    draw.polygon(_finer((90, 290, 640, 90, 1190, 290)), fill=_darker(door, 0.8))
    _box(draw, (220, 380, 720, 680), door)
    for line in range(430, 680, 50):
        _box(draw, (220, line, 720, line + 4), _darker(door, 0.75))
    _box(draw, (130, 672, 1150, 688), KERB)
    _wallbox(draw, (860, 420), 1.0, light)
    return _jpeg(picture)


def plug(number: int) -> bytes:
    """The wallbox from near, as JPEG."""
    _above, _below, wall, _door, light = HOUSES[number % len(HOUSES)]
    picture = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), wall)
    draw = ImageDraw.Draw(picture)
    for row in range(0, HEIGHT, 96):
        _box(draw, (0, row, WIDTH, row + 5), _darker(wall, 0.93))
        for column in range(-80 if row % 192 else 0, WIDTH, 240):
            _box(draw, (column, row, column + 5, row + 96), _darker(wall, 0.93))
    _wallbox(draw, (470, 160), 2.6, light)
    return _jpeg(picture)


def _wallbox(draw: ImageDraw.ImageDraw, corner: tuple[int, int], scale: float, light: Colour) -> None:
    left, top = corner

    def at(*points: float) -> list[float]:
        return _finer([point * scale + (top if index % 2 else left) for index, point in enumerate(points)])

    draw.arc(at(20, 90, 170, 290), 0, 200, fill=DARK, width=int(9 * scale * FINER))
    draw.rounded_rectangle(at(0, 0, 130, 170), radius=22 * scale * FINER, fill=(247, 248, 250), outline=(200, 203, 210))
    draw.rounded_rectangle(at(22, 24, 108, 34), radius=5 * scale * FINER, fill=light)
    draw.ellipse(at(33, 68, 97, 132), fill=DARK)
    for across, down in ((52, 88), (72, 88), (46, 102), (62, 102), (78, 102), (54, 116), (70, 116)):
        draw.ellipse(at(across, down, across + 7, down + 7), fill=(214, 218, 226))
    draw.rounded_rectangle(at(150, 150, 196, 206), radius=12 * scale * FINER, fill=DARK)


def _sky(above: Colour, below: Colour) -> Image.Image:
    shade = Image.linear_gradient("L").resize((WIDTH * FINER, HEIGHT * FINER))
    size = shade.size
    return Image.composite(Image.new("RGB", size, below), Image.new("RGB", size, above), shade)


def _box(draw: ImageDraw.ImageDraw, corners: tuple[float, ...], colour: Colour) -> None:
    draw.rectangle(_finer(corners), fill=colour)


def _finer(points: tuple[float, ...] | list[float]) -> list[float]:
    return [point * FINER for point in points]


def _darker(colour: Colour, share: float) -> Colour:
    red, green, blue = (int(part * share) for part in colour)
    return red, green, blue


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(file, "JPEG", quality=90)
    return file.getvalue()

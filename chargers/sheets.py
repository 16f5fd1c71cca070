"""Sheets of paper as PDF: a title, facts, a table with its sums, notes. Knows nothing of what they tell.

Import it where a document is made: the library takes a second to load, which no gateway should wait for.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import Align, TableBordersLayout, WrapMode
from fpdf.fonts import FontFace

FONTS = Path(__file__).parent / "fonts"
FAMILY = "DejaVu"
MARGIN_MM, NAME_MM, LINE_MM = 18, 48, 6.2
INK, QUIET, ACCENT, LINE = (22, 24, 43), (87, 92, 116), (64, 54, 201), (225, 226, 236)

Row = Sequence[str]


class Sheet(FPDF):
    """A4, with our name above and `foot` and the number of the page below."""

    def __init__(self, *, title: str, foot: str, language: str, made_at: datetime) -> None:
        super().__init__(format="A4")
        self.foot = foot
        for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            self.add_font(FAMILY, style, FONTS / name)
        self.set_title(title)
        self.set_lang(language)
        self.set_creator("ShareCharge")
        self.set_creation_date(made_at)
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, margin=MARGIN_MM + 6)
        self.add_page()
        self._write(title, size=19, bold=True)
        self.ln(3)

    def header(self) -> None:
        self._write("ShareCharge", size=10, bold=True, colour=ACCENT)
        self.ln(4)

    def footer(self) -> None:
        self.set_y(-MARGIN_MM)
        self._use(size=8, colour=QUIET)
        self.cell(self.epw - 20, LINE_MM, self.foot)
        self.cell(20, LINE_MM, f"{self.page_no()} / {{nb}}", align=Align.R)

    def heading(self, text: str) -> None:
        self.ln(4)
        self._write(text, size=12, bold=True)
        self.ln(1)

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Each with its name before it."""
        for name, value in rows:
            self._use(size=10, colour=QUIET)
            self.multi_cell(NAME_MM, LINE_MM, name, align=Align.L, new_x="RIGHT", new_y="TOP", max_line_height=LINE_MM)
            self._use(size=10)
            self.multi_cell(0, LINE_MM, value, align=Align.L, new_x="LMARGIN", new_y="NEXT", wrapmode=WrapMode.WORD)

    def notes(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._write(text, size=9, colour=QUIET)

    def rows(self, heading: Row, rows: Iterable[Row], *, widths: Sequence[int], numbers: int) -> None:
        """A table whose last `numbers` columns are numbers. A row is never cut by the end of a page."""
        self._use(size=9)
        self.set_draw_color(*LINE)
        align = [Align.L] * (len(widths) - numbers) + [Align.R] * numbers
        with self.table(
            col_widths=tuple(widths),
            text_align=tuple(align),
            line_height=5,
            padding=(1.2, 1),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis="BOLD", color=QUIET),
        ) as table:
            for row in (heading, *rows):
                table.row(row)
        self.ln(2)

    def sums(self, rows: Iterable[tuple[str, str, bool]]) -> None:
        """Names with amounts at the right; the third value: it counts more than the others."""
        for name, amount, is_total in rows:
            self._use(size=10, bold=is_total)
            self.cell(self.epw - 40, LINE_MM, name)
            self.cell(40, LINE_MM, amount, align=Align.R, new_x="LMARGIN", new_y="NEXT")

    def as_bytes(self) -> bytes:
        return bytes(self.output())

    def _use(self, *, size: int, bold: bool = False, colour: tuple[int, int, int] = INK) -> None:
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(*colour)

    def _write(self, text: str, *, size: int, bold: bool = False, colour: tuple[int, int, int] = INK) -> None:
        self._use(size=size, bold=bold, colour=colour)
        self.multi_cell(0, size * 0.5, text, align=Align.L, new_x="LMARGIN", new_y="NEXT")

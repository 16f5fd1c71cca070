"""Czech is complete: every string of code and templates is in the .po, nothing is empty or fuzzy, the .mo is in step.

Pure Python, so that it runs where gettext's programs are missing. To renew the files:
`manage.py makemessages -l cs --no-wrap --no-obsolete --add-location file` and `manage.py compilemessages -l cs`.
"""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

pytestmark = pytest.mark.once

BASE = Path(settings.BASE_DIR)
FOLDER = BASE / "sharecharge" / "locale" / "cs" / "LC_MESSAGES"
APPS = ("accounts", "billing", "chargers", "ocpp_gateway", "sharecharge")
MARKS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")


def read_po() -> dict[str, list[str]]:
    """msgid → its translations (several for plurals). Header left out."""
    messages: dict[str, list[str]] = {}
    key, current = "", ""
    parts: dict[str, str] = {}
    for line in [*(FOLDER / "django.po").read_text(encoding="utf-8").splitlines(), ""]:
        if match := re.match(r'(msgid|msgid_plural|msgstr(?:\[\d\])?) "(.*)"$', line):
            current = match.group(1)
            parts[current] = match.group(2)
        elif line.startswith('"'):
            parts[current] += line[1:-1]
        elif not line and parts:
            key = unescape(parts.get("msgid", ""))
            if key:
                messages[key] = [unescape(text) for name, text in parts.items() if name.startswith("msgstr")]
            parts = {}
    return messages


def unescape(text: str) -> str:
    return text.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")


PO = read_po()


def strings_of_code() -> Iterator[tuple[str, str]]:
    for app in APPS:
        for path in (BASE / app).rglob("*.py"):
            if {"tests", "migrations"} & set(path.parts):
                continue
            for text, *_plural in strings_in(path):
                yield path.name, text


def strings_in(path: Path) -> Iterator[list[str]]:
    """Each string that is marked to be translated, with its plural if it has one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in MARKS:
            texts = [it.value for it in node.args[:2] if isinstance(it, ast.Constant) and isinstance(it.value, str)]
            if texts:
                yield texts


def strings_of_templates() -> Iterator[tuple[str, str]]:
    for path in (*(BASE / "templates").rglob("*.html"), *(BASE / "templates").rglob("*.txt")):
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"{% translate (?:\"([^\"]+)\"|'([^']+)')", text):
            yield path.name, match.group(1) or match.group(2)
        for match in re.finditer(r"{% blocktranslate[^%]*%}(.*?){% endblocktranslate %}", text, re.DOTALL):
            yield path.name, re.sub(r"{{ *(\w+) *}}", r"%(\1)s", match.group(1))


def test_every_string_is_there():
    missing = {(name, text) for name, text in [*strings_of_code(), *strings_of_templates()] if text not in PO}
    assert not missing


# What people read of the libraries' in our forms: sign-up, log-in, passwords, addresses, fields.
OF_LIBRARIES = (
    *(f"django/contrib/auth/{name}.py" for name in ("forms", "password_validation")),
    *(f"django/{name}.py" for name in ("core/validators", "forms/fields", "forms/models")),
    *(f"allauth/account/{name}.py" for name in ("adapter", "forms", "fields")),
)
SAME = {"IPv4", "IPv6"}


def in_active_language(text: str, plural: str = "") -> str:
    return translation.ngettext(text, plural, 5) if plural else translation.gettext(text)


def test_what_libraries_say_in_our_forms_is_czech():
    """Their own translations lag behind their words: what is missing there has to be in ours."""
    libraries = Path(django.__file__).parent.parent
    with translation.override("cs"):
        english = [
            texts
            for name in OF_LIBRARIES
            if (libraries / name).exists()
            for texts in strings_in(libraries / name)
            if in_active_language(*texts) == texts[-1] and texts[0] not in SAME
        ]
    assert english == []


# Both languages at once, and what is the same in both.
BILINGUAL = {"500.html", "503.html", "offline.html"}
NAMES = {"ShareCharge", "Mapy.com", "Google", "Maps", "kWh", "kW", "min", "CSV", "PDF", "API", "OCPP", "JSON"}
SHOWN = re.compile(r"""(?:aria-label|alt|title|placeholder|content)="([^"]*)\"""")


def plain(text: str) -> str:
    """A template without its tags and variables: what would reach a visitor untranslated."""
    text = re.sub(r"{% blocktranslate.*?{% endblocktranslate %}", " ", text, flags=re.DOTALL)
    text = re.sub(r"{% block (?:main_class|coltype) %}.*?{% endblock %}", " ", text)
    return re.sub(r"{%.*?%}|{{.*?}}", " ", text, flags=re.DOTALL)


def words_of(text: str) -> set[str]:
    text = re.sub(
        r"<meta (?:charset|name=\"(?:viewport|color-scheme|theme-color)\"|property=\"og:type\")[^>]*>", " ", text
    )
    attributes = " ".join(SHOWN.findall(text))
    body = re.sub(r"&\w+;", " ", re.sub(r"<[^>]*>", " ", text))
    return set(re.findall(r"[^\W\d_]{2,}(?:\.\w+)?", f"{attributes} {body}")) - NAMES


@pytest.mark.parametrize(
    "path", sorted((BASE / "templates").rglob("*.html")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_templates_say_nothing_untranslated(path):
    if path.name not in BILINGUAL:
        assert words_of(plain(path.read_text(encoding="utf-8"))) == set()


def test_untranslated_words_would_be_found():
    page = '<p title="Hello there">{% translate "Fine" %} <b>World</b> {{ name }} 5 kWh</p>'
    assert words_of(plain(page)) == {"Hello", "there", "World"}


def test_nothing_is_empty_or_fuzzy():
    assert "fuzzy" not in (FOLDER / "django.po").read_text(encoding="utf-8")
    assert [key for key, texts in PO.items() if not texts or not all(texts)] == []


def test_plurals_have_all_forms():
    """With one too few, Czech counts in English from five on."""
    text = (FOLDER / "django.po").read_text(encoding="utf-8")
    [forms] = re.findall(r"nplurals=(\d)", text)
    assert {len(texts) for texts in PO.values()} == {1, int(forms)}


def test_placeholders_survive():
    for key, texts in PO.items():
        for text in texts:
            assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(key)), key


def test_the_compiled_file_is_in_step():
    with (FOLDER / "django.mo").open("rb") as file:
        catalog = {key: text for key, text in gettext.GNUTranslations(file)._catalog.items() if key}
    compiled: dict[str, list[str]] = {}
    for key, text in catalog.items():
        compiled.setdefault(key[0] if isinstance(key, tuple) else key, []).append(text)
    assert compiled == PO


@pytest.mark.parametrize(
    ("path", "words"),
    [("/", "Nabíječky, které lidé sdílejí"), ("/accounts/login/", "Zapomněli jste heslo?"), ("/nic/", "Tady nic není"),
     ("/accounts/signup/", "Jméno")],
)  # fmt: skip
def test_pages_speak_czech(db, path, words):
    page = Client(headers={"Accept-Language": "cs"}).get(path).content.decode()
    assert words in page


def test_czech_numbers_and_names(online, client_of, alice):
    page = client_of(alice).get(online.get_absolute_url(), headers={"Accept-Language": "cs"}).content.decode()
    assert "5,00\N{NO-BREAK SPACE}Kč/kWh" in page
    assert "volno" in page
    assert "Zablokujeme 300,00\N{NO-BREAK SPACE}Kč" in page

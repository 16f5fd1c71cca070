"""What `manage.py collectstatic` makes for production."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

pytestmark = pytest.mark.once

TEMPLATES = Path(settings.BASE_DIR) / "templates"


@pytest.fixture
def collected(settings, tmp_path) -> Path:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": settings.COLLECTED_STORAGE}}
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_every_file_of_every_page_has_a_hashed_name_and_a_compressed_twin(collected):
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    used = {
        name
        for template in TEMPLATES.rglob("*.html")
        for name in re.findall(r"{% static '([^']+)' %}", template.read_text())
    }
    assert len(used) > 10
    assert used <= set(names)
    assert all(re.search(r"\.[0-9a-f]{12}\.", names[name]) for name in used)
    assert (collected / f"{names['css/app.css']}.gz").exists()


def test_modules_import_each_other_by_hashed_names(collected):
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    script = (collected / names["js/map.js"]).read_text()
    imported = re.findall(r'from "\./([^"]+)"', script)
    assert {names["js/live.js"], names["js/tiles.js"]} <= {f"js/{name}" for name in imported} <= set(names.values())

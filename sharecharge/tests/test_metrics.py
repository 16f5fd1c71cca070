"""Web requests are counted by view, and docs/operations.md tells of every metric and of none that there is not."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client import REGISTRY

from accounts.models import User
from ocpp_gateway import metrics as gateway

DOCS = Path(settings.BASE_DIR, "docs", "operations.md").read_text()


def requests(view: str, method: str, status: int) -> float:
    labels = {"view": view, "method": method, "status": str(status)}
    return REGISTRY.get_sample_value("sharecharge_http_requests_total", labels) or 0


@pytest.mark.parametrize(
    ("method", "path", "view", "shown", "status"),
    [
        ("get", "/", "map", "GET", 200),
        ("head", "/", "map", "HEAD", 200),
        ("get", "/c/nothing/", "charger", "GET", 404),
        ("get", "/no/such/place", "none", "GET", 404),
        ("get", "/static/css/app.css", "static", "GET", 200),
        ("post", "/wallet/top-up/", "top_up", "POST", 302),
        ("get", "/admin/billing/transfer/", "admin:billing_transfer_changelist", "GET", 302),
    ],
)
def test_requests_are_counted_by_view(db, method, path, view, shown, status):
    before = requests(view, shown, status)
    assert getattr(Client(), method)(path).status_code == status
    assert requests(view, shown, status) == before + 1
    taken = REGISTRY.get_sample_value("sharecharge_http_request_seconds_count", {"view": view, "method": shown})
    assert taken


def test_made_up_words_get_into_no_label(db, alice: User):
    Client().generic("CANARY", "/CANARY/")
    assert requests("none", "other", 404)
    for family in REGISTRY.collect():
        for sample in family.samples:
            assert "CANARY" not in "".join(sample.labels.values())


def test_a_crash_is_counted(db, monkeypatch):
    monkeypatch.setattr("chargers.pins.find", lambda *args, **kwargs: 1 / 0)
    before = requests("map", "GET", 500)
    Client(raise_request_exception=False).get("/")
    assert requests("map", "GET", 500) == before + 1


@pytest.mark.parametrize(("action", "label"), [("Heartbeat", "Heartbeat"), ("heartbeat", "other"), ("x" * 99, "other")])
def test_actions_of_chargers_are_ocpps_or_other(action, label):
    assert gateway.action_label(action) == label


# ------------------------------------------------------------------------------------------------ what is written


def offered() -> dict[str, str]:
    """Name as it is queried → type."""
    families = [family for family in REGISTRY.collect() if family.name.startswith("sharecharge_")]
    return {f"{it.name}_total" if it.type == "counter" else it.name: it.type for it in families}


def test_every_metric_is_written_about(db):
    rows = dict(re.findall(r"^\| `(sharecharge_\w+)` \|([^|]*)\|", DOCS, re.MULTILINE))
    assert rows.keys() == offered().keys()
    for family in REGISTRY.collect():
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name in rows:
            assert labels <= set(re.findall(r"\w+", rows[name])), name


def test_every_rule_asks_for_a_metric_that_there_is(db):
    metrics = offered()
    suffixes = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}
    known = {name + suffix for name, kind in metrics.items() for suffix in suffixes[kind]}
    rules = DOCS.split("# sharecharge.rules.yml")[1].split("```")[0]
    asked = set(re.findall(r"sharecharge_\w+", rules))
    assert len(asked) >= 10
    assert asked <= known
    assert rules.count("alert:") == rules.count("summary:") == rules.count("expr:") >= 10

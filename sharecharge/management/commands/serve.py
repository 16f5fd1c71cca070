import gc
import socket
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.utils import autoreload

from sharecharge.views import redis_is_ready


def _calm_the_interpreter() -> None:
    """No search for garbage among all that was loaded at the start: that stops everybody for long."""
    gc.collect()
    gc.freeze()


class Command(BaseCommand):
    help = "Serves pages, API, browsers' and charge points' websockets; migrates first and sweeps beside it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (0.0.0.0: all)")
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--only", choices=["web", "ocpp"], help="only people's doors, or only that of wallboxes")
        parser.add_argument("--reload", action="store_true", help="for development: start again when code has changed")
        parser.add_argument("--no-migrate", action="store_true", help="the database is migrated already")
        parser.add_argument("--no-sweep", action="store_true", help="`manage.py sweep` runs as a process of its own")

    def announcement(self, host: str, port: int) -> str:
        lines = [f"ShareCharge listens on http://{host}:{port}, wallboxes connect to {settings.CHARGER_URL}/"]
        if host not in settings.LOOPBACK and settings.SITE_HOST in settings.LOOPBACK:
            lines.append(
                "Other machines are sent away until SITE_URL names this one, for example "
                f"SITE_URL=http://{socket.gethostname()}:{port}"
            )
        return "\n".join(lines)

    def prepare_static_files(self) -> None:
        if settings.COLLECTED is None:
            settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns when it is missing
        elif not (settings.COLLECTED / "staticfiles.json").exists():
            raise CommandError(f"STATIC_ROOT={str(settings.COLLECTED)!r} is empty. First: manage.py collectstatic")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["reload"]:
            autoreload.run_with_reloader(self.serve, **options)
        else:
            self.serve(**options)

    def serve(self, **options: Any) -> None:
        try:
            connection.ensure_connection()
        except OperationalError as error:
            raise CommandError(f"The database of DATABASE_URL cannot be reached: {error}") from None
        if settings.REDIS_URL and (trouble := redis_is_ready()) != "ok":
            self.stderr.write(f"Redis of REDIS_URL cannot be reached ({trouble}): pages will not be live until it can.")
        if not options["no_migrate"]:
            call_command("migrate", interactive=False, verbosity=0)
        self.prepare_static_files()
        # Twisted chooses its reactor when daphne is imported: not before it is needed.
        from ocpp_gateway.switchboard import switchboard
        from sharecharge import asgi, server

        host, port = options["host"], options["port"]
        stopped = threading.Event()
        if not options["no_sweep"]:
            from chargers import sweeper

            threading.Thread(target=sweeper.run, args=[stopped], name="sweep", daemon=True).start()
        address = host.replace(":", r"\:")
        daphne = server.ChargePointServer(
            asgi.application_of(options["only"]),
            endpoints=[f"tcp:port={port}:interface={address}"],
            signal_handlers=not options["reload"],  # those of the reloader rule then, in the main thread
            websocket_timeout=-1,
            websocket_handshake_timeout=20,
            ping_interval=30,
            # A station that never answers a ping but talks stays; silence is the sweep's business.
            ping_timeout=0,
            server_name="ShareCharge",
            announcement=self.announcement(host, port),
            retire=switchboard.retire,
            proxy_forwarded_address_header="X-Forwarded-For" if settings.TRUST_PROXY else None,
            proxy_forwarded_proto_header="X-Forwarded-Proto" if settings.TRUST_PROXY else None,
        )
        _calm_the_interpreter()
        daphne.run()
        stopped.set()
        if daphne.trouble:
            raise CommandError(f"Cannot listen on {host}:{port}: {daphne.trouble}")

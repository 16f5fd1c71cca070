import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Serves pages, API, browsers' and charge points' websockets; migrates first and sweeps beside it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (0.0.0.0: all)")
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--no-migrate", action="store_true", help="the database is migrated already")
        parser.add_argument("--no-sweep", action="store_true", help="`manage.py sweep` runs as a process of its own")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["no_migrate"]:
            call_command("migrate", interactive=False, verbosity=0)
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns when it is missing
        # Twisted chooses its reactor when daphne is imported: not before it is needed.
        from sharecharge import asgi, server

        host, port = options["host"], options["port"]
        stopped = threading.Event()
        if not options["no_sweep"]:
            from chargers import sweeper

            threading.Thread(target=sweeper.run, args=[stopped], name="sweep", daemon=True).start()
        self.stdout.write(f"ShareCharge listens on http://{host}:{port}, wallboxes connect to {settings.CHARGER_URL}/")
        self.stdout.flush()
        address = host.replace(":", r"\:")
        daphne = server.ChargePointServer(
            asgi.application,
            endpoints=[f"tcp:port={port}:interface={address}"],
            websocket_timeout=-1,
            websocket_handshake_timeout=20,
            ping_interval=30,
            # A station that never answers a ping but talks stays; silence is the sweep's business.
            ping_timeout=0,
            server_name="ShareCharge",
            proxy_forwarded_address_header="X-Forwarded-For" if settings.TRUST_PROXY else None,
            proxy_forwarded_proto_header="X-Forwarded-Proto" if settings.TRUST_PROXY else None,
        )
        daphne.run()
        stopped.set()

"""Believable OCPP 1.6-J charge points, for the demo, the tests and people without a wallbox.

    async with SimulatedCharger(credentials, url="ws://127.0.0.1:8000/ocpp") as charger:
        session = await charger.visit(arriving_car(rng))

A charge point keeps its register and its transactions whatever happens to the connection: StartTransaction,
MeterValues and StopTransaction wait in a queue and are sent again, unchanged and in order, until they are answered.
What was answered stands in the journal, so a test can ask the server whether it kept what it acknowledged.
"""

from ocpp_gateway.simulator.connection import DEFAULT_URL, Credentials, Offline, ServerRefused, read_credentials
from ocpp_gateway.simulator.fleet import Traffic, charge_once, run_fleet, together
from ocpp_gateway.simulator.link import Say
from ocpp_gateway.simulator.memory import Acknowledged, Clock, Journal, Transaction
from ocpp_gateway.simulator.station import SimulatedCharger
from ocpp_gateway.simulator.vehicles import Car, arriving_car

__all__ = [
    "DEFAULT_URL",
    "Acknowledged",
    "Car",
    "Clock",
    "Credentials",
    "Journal",
    "Offline",
    "Say",
    "ServerRefused",
    "SimulatedCharger",
    "Traffic",
    "Transaction",
    "arriving_car",
    "charge_once",
    "read_credentials",
    "run_fleet",
    "together",
]

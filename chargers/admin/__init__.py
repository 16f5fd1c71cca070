"""The fleet for operators: what is there, what happened, and the safe things to do about it."""

from chargers.admin import fleet, people, sessions, wire

__all__ = ["fleet", "people", "sessions", "wire"]

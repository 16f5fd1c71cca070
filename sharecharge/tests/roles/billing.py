"""Money."""

from sharecharge.tests.roles.row import Row

ROWS = [
    Row("GET", "wallet", "401 200 200 200 200 200 401"),
]

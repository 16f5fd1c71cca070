"""Pages of the chargers: places (the map), sessions, and what owners manage."""

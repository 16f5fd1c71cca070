"""What the REST API of every room is built from: how it reads input, turns pages, guards doors and says no."""

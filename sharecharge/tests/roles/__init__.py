"""Who may do what: a table of every route of the API, for the test beside it (reliability.md R20, R21)."""

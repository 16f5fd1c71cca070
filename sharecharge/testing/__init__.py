"""What the tests need around them: settings, database servers, a browser. Imports nothing of the project."""

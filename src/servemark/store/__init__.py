"""A run is a folder: run.json and JSON-lines files, written as it goes."""

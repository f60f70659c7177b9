"""Load, statistics, telemetry and store, brought together into one measured Run."""

"""Percentiles with intervals, steady-state windows, the summary of a level and its verdict."""

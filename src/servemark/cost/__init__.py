"""Dollars: whole instances for a deployment, per hour, per month and per token."""

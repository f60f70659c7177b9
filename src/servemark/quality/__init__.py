"""Answers under load: suites, checks, the experiment's hypotheses."""

"""From a run to the causes behind it: claim, evidence, what would refute it, what to do next."""

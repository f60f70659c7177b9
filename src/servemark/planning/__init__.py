"""From a question to a decision: what to deploy, what to train on, and why everything else lost."""

"""What users do: arrivals, lengths, prompts, recorded traces and ready-made profiles."""

"""The shared vocabulary: frozen records, no behaviour beyond derived values."""

"""Pure functions from the shared records to bytes and seconds; numpy-broadcastable where it pays."""

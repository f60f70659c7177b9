"""Local engines, each started as a subprocess of its own and stopped by its process id."""

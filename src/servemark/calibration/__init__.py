"""Published and own measurements -> coefficients with uncertainty; how well they predict."""

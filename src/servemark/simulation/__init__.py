"""A serving engine, simulated: paged blocks, continuous batching, an event loop, replicas."""

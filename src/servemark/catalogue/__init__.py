"""The catalogue: data files -> domain records, and a config.json -> `ModelArch`."""

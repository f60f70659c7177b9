"""The public verbs, one module per family. `servemark/__init__.py` lists them."""

"""`python -m servemark`."""

from servemark.faces.cli import main

main()

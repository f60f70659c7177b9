"""The highest load at which every promise holds, and the search for it."""

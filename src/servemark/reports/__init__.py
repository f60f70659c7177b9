"""Reports: one frozen `Report` composed once from runs, rendered as HTML, Markdown or terminal text."""

"""Reports that people write, as findings: text, Markdown, AsciiDoc, HTML, PDF. `reading` is the door."""

"""Tables and lists: CSV, TSV and one value a line. `proposing` says how a file would be read, `reading` reads it so.

`proposing.propose(head, ...)` -> Layout; `reading.read_table(chunks, layout)` -> findings and losses;
`profiles` keeps a layout as a file that a person may change.
"""

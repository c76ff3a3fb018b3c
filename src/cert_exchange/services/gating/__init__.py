"""The gate at the way in, per source and per partner: looked through before, narrowed, and shut when too much comes.

`previewing` shows what a pull would change, `verdicts` says what became of an object and by which rule.
"""

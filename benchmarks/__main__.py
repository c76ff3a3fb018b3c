"""`python -m benchmarks [--quick]`."""

from benchmarks.run import main

main()

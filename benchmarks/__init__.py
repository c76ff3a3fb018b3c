"""Speed, memory and start-up of our node beside its peers and a bare yardstick, on the same data."""

"""The only place that speaks outwards."""

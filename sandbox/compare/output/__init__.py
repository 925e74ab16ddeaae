"""Ways to write a report down. Each takes a Report and knows nothing of single probes."""

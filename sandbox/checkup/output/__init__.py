"""Ways to write a checkup down. Each takes a Report and knows nothing of single checks."""

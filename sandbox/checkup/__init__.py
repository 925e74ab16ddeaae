"""What somebody else's consumer does with bad input, foreign pages, load and slow neighbours.

The clients are those of ``compare``, but here no contract is known: a check leads to a finding,
with a grade.
"""

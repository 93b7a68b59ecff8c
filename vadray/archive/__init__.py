"""What there is to score: listing an archive, and the plan of one sweep over it."""

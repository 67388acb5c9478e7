"""BDD100K: 100,000 videos of 40 seconds from behind windscreens."""

"""BDD100K: 100,000 videos of 40 seconds, recorded from behind windscreens."""

"""What papers print of generated videos: measures, protocols, and the runs that compute them."""

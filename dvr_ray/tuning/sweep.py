"""One sweep: plan, search, retrain the winner on fresh seeds, look at test once, write results."""

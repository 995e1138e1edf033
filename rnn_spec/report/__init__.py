"""results.json and its views."""

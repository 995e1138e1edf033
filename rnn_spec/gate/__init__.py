"""Two torch releases side by side: what each does is a Recording, and what changed is their difference."""

"""Which questions are asked, and what is expected."""

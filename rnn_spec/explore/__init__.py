"""Search beyond the fixed cases: whole questions drawn, judged as the suite judges, and finds made small."""

"""The suite, run on wrong implementations: a faulty subject, the matrix, the diagnosis, the smoke stage."""

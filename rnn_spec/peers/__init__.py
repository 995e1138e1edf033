"""Other frameworks as subjects, a file each, each proven by a card in fixtures/conformance."""

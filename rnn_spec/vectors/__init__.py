"""Test vectors: stored Cases with their Expectations, for any implementation in any language.

`records` says what a vector file holds, `questions` which vectors there are and why, `make` computes
them, `lint` refuses what does not discriminate, and `verify` asks a subject.
"""

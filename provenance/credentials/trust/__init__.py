"""Whom to trust: named lists of root certificates, one kind never standing in for another."""

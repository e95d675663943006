"""Trains the embedded model. Never needed to build, test or run the product."""

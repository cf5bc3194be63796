"""Paths to other machines: echoes, connects, questions to services, and what is made of their times."""

"""Decoders of firmware tables: bytes in, records out."""

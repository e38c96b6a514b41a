"""Devices of a home."""

"""Participants to use and to copy from: a home, its strategies, its devices."""

"""Simulation: rounds and episodes on a clock that jumps."""

"""What a run amounts to: totals, figures, plots, report."""

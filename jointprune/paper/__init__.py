"""Code for this paper alone: its data sets, analyses, comparisons, figures and report."""

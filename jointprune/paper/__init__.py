"""What only remakes this paper: its data sets, analyses, comparisons, figures and report."""

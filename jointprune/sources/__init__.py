"""One module a source, each turning recordings into a `SignDataset`, and readers of formats."""

"""One module a source, each turning recordings into a `SignDataset`, and readers of formats."""

from pathlib import Path

from jointprune import store
from jointprune.sources.planted import Planted, open_planted
from jointprune.store import SignDataset
from jointprune.workspace import Workspace


def load_dataset(
    name: Path | str,
    workspace: Workspace = Workspace("."),  # noqa: B008 (frozen)
    **parameters,
) -> SignDataset:
    """The dataset `name` of a workspace, or of any store's folder; arrays are memory-mapped.

    "planted" is generated on first use, by `parameters` of `sources.planted.Planted`, and has
    `informative`. Other datasets take none and have to be there, see `store.load_dataset`.

    Raises ValueError for parameters that cannot be or another name's, TypeError for unknown
    ones, FileNotFoundError if there is no such dataset.
    """
    if name == "planted":
        return open_planted(Planted(**parameters), workspace)
    if parameters:
        raise ValueError(
            f"expected no parameters for {str(name)!r}, got {sorted(parameters)}: only 'planted' "
            "is generated"
        )
    return store.load_dataset(name, workspace)

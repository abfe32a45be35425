"""From results to the paper: each number once, by name, with its source beside it.

`python -m jointprune.paper.numbers` writes `figures/numbers.tex`, `claims.md`, `claims.tex`,
`joints.json` and the README's blocks; `--show` prints these alone, `--check`
compares all of it with `data/results/published.json`, which `--publish` writes, and the macros
that other `.tex` files in `figures/` use with those that there are.
"""

from jointprune.paper.numbers.facts import collect
from jointprune.paper.numbers.paper import (
    differences,
    paper_texts,
    publish,
    stale_files,
    tex,
    undefined_macros,
    write_paper,
)
from jointprune.paper.numbers.readme import BLOCKS, evidence, headline, opening, with_results
from jointprune.paper.numbers.selections import joints_json
from jointprune.paper.numbers.values import Number, dataset_of, load_results

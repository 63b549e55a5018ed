"""Why it works: analyses of a finished run, from its stored predictions; no model is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wiseft_jax.core.lazy import lazy_exports

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ANALYSES": "table",
        "AnalysisOptions": "options",
        "StoredRun": "stored_run",
        "analyse": "table",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.analysis.options import AnalysisOptions as AnalysisOptions
    from wiseft_jax.analysis.stored_run import StoredRun as StoredRun
    from wiseft_jax.analysis.table import ANALYSES as ANALYSES
    from wiseft_jax.analysis.table import analyse as analyse

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
        "best_temperature": "calibration",
        "cka": "linear_cka",
        "effective_robustness": "robustness",
        "expected_calibration_error": "calibration",
        "find_turns": "turns",
        "fit_line": "robustness",
        "kappa_complement": "diversity",
        "kl_divergence": "diversity",
        "minibatch_cka": "linear_cka",
        "output_ensemble": "ensembles",
        "overrides": "disagreement",
        "prediction_diversity": "diversity",
        "probability_ensemble": "ensembles",
        "read_baselines": "baselines",
        "unbiased_hsic": "linear_cka",
    },
)

if TYPE_CHECKING:
    from wiseft_jax.analysis.baselines import read_baselines as read_baselines
    from wiseft_jax.analysis.calibration import best_temperature as best_temperature
    from wiseft_jax.analysis.calibration import (
        expected_calibration_error as expected_calibration_error,
    )
    from wiseft_jax.analysis.disagreement import overrides as overrides
    from wiseft_jax.analysis.diversity import kappa_complement as kappa_complement
    from wiseft_jax.analysis.diversity import kl_divergence as kl_divergence
    from wiseft_jax.analysis.diversity import prediction_diversity as prediction_diversity
    from wiseft_jax.analysis.ensembles import output_ensemble as output_ensemble
    from wiseft_jax.analysis.ensembles import probability_ensemble as probability_ensemble
    from wiseft_jax.analysis.linear_cka import cka as cka
    from wiseft_jax.analysis.linear_cka import minibatch_cka as minibatch_cka
    from wiseft_jax.analysis.linear_cka import unbiased_hsic as unbiased_hsic
    from wiseft_jax.analysis.options import AnalysisOptions as AnalysisOptions
    from wiseft_jax.analysis.robustness import effective_robustness as effective_robustness
    from wiseft_jax.analysis.robustness import fit_line as fit_line
    from wiseft_jax.analysis.stored_run import StoredRun as StoredRun
    from wiseft_jax.analysis.table import ANALYSES as ANALYSES
    from wiseft_jax.analysis.table import analyse as analyse
    from wiseft_jax.analysis.turns import find_turns as find_turns

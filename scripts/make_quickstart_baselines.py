"""Train ordinary classifiers on the quickstart's digits; print their accuracies as a CSV.

python scripts/make_quickstart_baselines.py > baselines.csv
wiseft report qs --analyses effective_robustness --baselines baselines.csv

The baselines of the quickstart's effective robustness: scikit-learn's classifiers of the pixels,
from weak to strong, trained on its 3,500 training digits and scored on its test set and shifts.
Takes about a minute on two cores.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from typing import Any

import numpy as np

from wiseft_jax.quickstart.data import SHIFTS, quickstart_arrays


def classifiers() -> dict[str, Any]:
    """Return classifiers by name; those of a kind differ in one number."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    found: dict[str, Any] = {"nearest centroid": NearestCentroid(), "naive Bayes": GaussianNB()}
    found |= {
        f"tree, depth {depth}": DecisionTreeClassifier(max_depth=depth, random_state=0)
        for depth in (3, 5, 10)
    }
    found |= {
        f"forest of {count}": RandomForestClassifier(count, random_state=0)
        for count in (3, 10, 100)
    }
    found |= {f"{k} neighbours": KNeighborsClassifier(k) for k in (1, 5, 50)}
    found |= {
        f"logistic, C = {c:g}": LogisticRegression(C=c, max_iter=200) for c in (1e-4, 1e-2, 1)
    }
    found |= {f"SVM, C = {c:g}": SVC(C=c) for c in (0.03, 0.3, 3)}
    found |= {
        f"network of {width}": MLPClassifier((width,), max_iter=60, random_state=0)
        for width in (4, 16, 128)
    }
    return found


def pixels(images: np.ndarray) -> np.ndarray:
    """Return grey pixels from 0 to 1, ``float32[N, 1024]``."""
    return (images.mean(axis=3) / 255).reshape(len(images), -1).astype(np.float32)


def main() -> None:
    """Print a line for each classifier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the quickstart's data")
    sets = quickstart_arrays(parser.parse_args().seed)
    names = ["test", *SHIFTS]
    tables = {name: (pixels(images), labels) for name, (images, labels) in sets.items()}
    out = csv.writer(sys.stdout)
    out.writerow(["model", *names])
    for name, classifier in classifiers().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some stop before they converge: weak is fine
            classifier.fit(*tables["train"])
        scores = [np.mean(classifier.predict(tables[of][0]) == tables[of][1]) for of in names]
        # 0 and 1 have no place on logit axes: such a cell stays empty.
        out.writerow([name, *(f"{score:.4f}" if 0 < score < 1 else "" for score in scores)])
        sys.stdout.flush()


if __name__ == "__main__":
    main()

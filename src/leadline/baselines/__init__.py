"""Baselines: what simple, proven methods make of the same rows, so that a network's score means something.

A linear model beside all of them (of texts on their tf-idf); nearest neighbours beside pictures, vectors and series, gradient
boosting beside tables. Each is
fitted on the training split, chooses its settings on the validation split, and answers for the test split, in a time that is
set beforehand: where all rows would take too long, it uses as many as there is time for.
"""

from leadline.baselines.fitting import Baseline, fit_baselines
from leadline.baselines.principal_components import PrincipalComponents, fit_principal_components

__all__ = ["Baseline", "PrincipalComponents", "fit_baselines", "fit_principal_components"]

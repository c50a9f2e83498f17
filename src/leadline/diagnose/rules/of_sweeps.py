"""The rule on the learning-rate range test: the person's rate beside those at which the loss falls."""

from __future__ import annotations

import math
from collections.abc import Iterator

from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate, ramp

# Powers of ten between the person's rate and the end of the range. Of 70 sound programs none lay above half of the rate at
# which its loss diverged, and none below half of that at which it began to fall. A low rate may be meant for many steps.
_ABOVE, _BELOW = (-0.2, 0.2), (-1.0, -2.5)


def rate_outside(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    rates = readings.rates
    if not rates.own or rates.recommended is None or rates.falls_from is None:
        return
    factor = rates.recommended / rates.own
    extra = {"factor": f"{factor:.6g}", "remedy": f"Take a learning rate of {rates.recommended:g}."}
    measures = (Measure("learning rate", rates.own, rates.falls_from, rates.falls_to),)
    if rates.diverged is not None:
        yield Candidate(
            "rate_too_high",
            ramp(math.log10(rates.own / rates.diverged), *_ABOVE),
            f"In a range test the loss rises above its beginning at a rate of {rates.diverged:.2g} already.",
            measures,
            (("rate", factor),),
            extra=extra,
        )
    yield Candidate(
        "rate_too_low",
        ramp(math.log10(rates.own / rates.falls_from), *_BELOW),
        f"In a range test the loss does not begin to fall before a rate of {rates.falls_from:.2g}.",
        measures,
        (("rate", factor),),
        extra=extra,
    )

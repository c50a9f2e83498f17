"""Rules on columns that give the answer away."""

from __future__ import annotations

from collections.abc import Iterator

from leadline.diagnose.check_readings import Giveaway
from leadline.diagnose.findings import Measure
from leadline.diagnose.readings import Readings
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.rules.suspicions import Candidate

FEW_COLUMNS, HALF = 5, 0.5  # others than the one that gives the answer away; of their error, that it makes alone at most


def column_gives_away(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A column that is only known because the answer is: in rows that are held out it leaks as well, so no outcome shows it."""
    found = readings.giveaway
    if not found.columns or found.others is None or found.alone is None:
        return
    learned = found.constant - found.others  # where the others tell nothing, this column is what there is to learn from
    told = learned > max(0.1 * found.constant, 3 * found.others_se)
    worse = found.others > max(0.01 * found.constant, found.alone / HALF, found.alone + 2 * found.others_se)
    if not (told and worse and (found.copied or _only_noise_besides(found))):
        return
    what = "is the target in other words" if found.copied else "is the target with noise on it that no other column explains"
    yield Candidate(
        "split_mismatch",
        1.0,
        f"One column {what}: if it is only known once the answer is, the score on held-out rows promises too much.",
        (
            Measure("error of a simple method that gets this column alone", found.alone, low=HALF * found.others),
            Measure("error of one that gets all others", found.others),
            Measure("share of the column that the target explains", found.told, high=0.8),
        ),
        where=f"column{'s' if len(found.columns) > 1 else ''} {', '.join(map(str, found.columns[:5]))}",
        proven=True,
        extra={
            "remedy": "Leave this column out, unless it is known before the answer is.",
            "code_line": f"x = x[:, [at for at in range(x.shape[1]) if at not in {found.columns}]]",
        },
    )


def answer_is_seen(readings: Readings, outcome: Outcome) -> Iterator[Candidate]:
    """A network that reads what it is to say next: it learns to repeat it, and knows nothing once it is to go on by itself."""
    sight = readings.sight
    if not sight.kind:
        return
    ahead = sight.kind == "next"
    cause = (
        "The answer at a step changes with the step after it, which is what it is asked for: the network reads its answers."
        if ahead
        else "At each step the network is given the target of that very step, and its answer changes with it: it repeats it."
    )
    remedy = (
        "Mask what is ahead, and do not read rows from both ends."
        if ahead
        else "Give it the targets moved on by one, so that at each step it knows those before."
    )
    yield Candidate(
        "split_mismatch",
        1.0,
        cause,
        (Measure("rows whose answer changes with the target that it is held against", sight.share, high=0.0),),
        proven=True,
        extra={
            "remedy": remedy,
            "code_line": "mask = nn.Transformer.generate_square_subsequent_mask(steps)"
            if ahead
            else "told = F.pad(targets[:, :-1], (1, 0))",
        },
    )


def _only_noise_besides(found: Giveaway) -> bool:
    """Whether the others explain less of what the column has besides the target than if it were a cause of it.

    Of a cause x of y = x + e, of which the others explain the share m, they explain of what y leaves of x the share
    1 − (1 + 1/v) / (1/(1 − m) + 1/v), v the variance of e over that of x: less than that, beyond three standard errors, speaks
    for y being the cause.
    """
    if found.beside < FEW_COLUMNS or found.rows < 3 * found.beside or found.shared is None or found.shared_beyond is None:
        return False
    noise = 1 / max(1 - found.told, 1e-9)
    expected = 1 - (1 + noise) / (1 / max(1 - found.shared, 1e-3) + noise)
    return found.shared_beyond < min(0.5 * expected, expected - 3 * found.shared_beyond_se)

"""What a trial says of a suspicion: how much it gained, whether that is enough, and the sentence that tells it."""

from __future__ import annotations

import math

from leadline.diagnose.readings import Branch
from leadline.diagnose.rules.outcomes import Outcome
from leadline.diagnose.trials.changes import said
from leadline.diagnose.trials.gains import SURE, is_sure

GOES_ON = 0.05, 0.2  # of error and, by every copy, of the loss: what going on must gain where few rows make the error unsure
GAIN = 0.02  # of error, that a change must gain to matter
LESS = 0.03  # of the loss, that a change must gain where some answers count for more than others
SHARE = 0.15  # of the error that is left, that it must gain as well


def gained(branch: Branch, outcome: Outcome) -> float:
    """How much less wrong the changed copies are than their twins, and than the person's own network in the end.

    A short training shows as well what is merely faster at first; what ends better than the whole training is better.
    """
    if math.isnan(outcome.error):  # nothing is trained yet
        return branch.gain
    if not branch.errors or outcome.by_loss:  # the person's own training was judged by its loss, then these are as well
        ended = sum(branch.losses) / len(branch.losses) if branch.losses else outcome.error
        return min(branch.gain, 1 - ended / outcome.error) if outcome.error > 0 and outcome.by_loss else branch.gain
    return min(branch.gain, outcome.error - sum(branch.errors) / len(branch.errors))


def confirms(branch: Branch, outcome: Outcome) -> bool:
    """Whether a change gained more than chance and enough to matter."""
    gain = gained(branch, outcome)
    if outcome.weighted and branch.change != "balanced" and branch.errors and not _gains_loss(branch):
        return False  # more rows are answered rightly, and those that count for more are not
    if branch.change == "go_on" and branch.errors:
        before, after = sum(branch.twins) / len(branch.twins), sum(branch.losses) / len(branch.losses)
        if after >= before:
            return False  # more steps that raise the held-out loss are not what was missing
        if gain > GOES_ON[0] and max(branch.losses) < (1 - GOES_ON[1]) * min(branch.twins):
            return True  # of few rows the loss tells more than the share wrong
    return is_sure(gain, branch.gain_se) and gain > enough(branch, outcome)


def _gains_loss(branch: Branch) -> bool:
    """Whether the loss of the copies, in which rare answers may count for more, fell as well, and enough to matter."""
    before, after = (sum(losses) / max(len(losses), 1) for losses in (branch.twins, branch.losses))
    return after < (1 - LESS) * before


def enough(branch: Branch, outcome: Outcome) -> float:
    """What a change must gain to matter, in the unit of its gain."""
    if not branch.errors:
        return SHARE
    # The errors of copies are bounded, that of a network that has run away is not.
    left = [outcome.error] if not (math.isnan(outcome.error) or outcome.by_loss) else []  # nothing is trained yet
    left += [sum(branch.twin_errors) / len(branch.twin_errors)] if branch.twin_errors else []
    return max(GAIN, SHARE * min(left, default=1.0))


def told_trial(branch: Branch, outcome: Outcome, *, confirmed: bool, proven: bool = False, beside: str = "") -> str:
    """A trial in a sentence: what was changed, what came of it, and, where it confirms nothing, why not.

    Args:
        branch: the trial.
        outcome: of the person's own training.
        confirmed: whether it confirms the suspicion.
        proven: the suspicion is certain without it.
        beside: the change that the copies and their twins had as well.
    """
    count = len(branch.losses)
    others = f"those with {said(beside)} alone" if beside else "unchanged ones"
    what = "error" if branch.errors else "loss, in shares of theirs,"
    size = f"{abs(branch.gain):.3g} ± {branch.gain_se:.2g} {'less' if branch.gain >= 0 else 'more'} {what}"
    changes = " and ".join(filter(None, (said(beside) if beside else "", said(branch.change, branch.argument))))
    copies = f"{count} copies" if count > 1 else "a copy"
    made = f"with {changes} {copies} had {size} than {others} after {branch.steps:,} steps"
    if confirmed:
        return f"Confirmed: {made}."
    if not proven:
        return f"Tried: {made}{_why_not(branch, outcome)}."
    if branch.gain > SURE * branch.gain_se:
        return f"Certain without a trial, and a short one agrees: {made}."
    return f"Certain without a trial. A short one gained nothing by this alone, so that more may be wrong: {made}."


def _why_not(branch: Branch, outcome: Outcome) -> str:
    """Why a trial confirms nothing, as the end of its sentence."""
    chance = SURE * branch.gain_se
    if branch.gain < -chance:
        return ""  # that it made it worse says enough
    if branch.gain <= chance:
        return ", which is within chance"
    if not branch.errors or gained(branch, outcome) > chance:
        return f", which is more than chance, but less than the {enough(branch, outcome):.2g} that would matter"
    what, reached = ("a loss", branch.losses) if outcome.by_loss else ("an error", branch.errors)
    ended = sum(reached) / max(len(reached), 1)
    told = f"; but they ended at {what} of {ended:.3g}, and your own training at {outcome.error:.3g}"
    return told + (", which may be chance" if ended < outcome.error else "")

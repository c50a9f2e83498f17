"""What is learned from inputs alone, as `training.loss` spells it: an autoencoder's objective, or a machine's divergence.

And the losses of tasks that have some of their own.
"""

from __future__ import annotations

from leadline.errors import ArgumentError, PlanError, unknown
from leadline.losses import LOSSES
from leadline.losses.adversarial import ADVERSARIAL_LOSSES
from leadline.models import OBJECTIVES, OF_UNITS, objective_of
from leadline.models.boltzmann.divergence_texts import DIVERGENCES, divergence_of
from leadline.spelling import parse_call

_OF_TASKS = {
    "generate": ("adversarial loss", tuple(ADVERSARIAL_LOSSES)),
    "reconstruct": ("loss without labels", (*OBJECTIVES, *DIVERGENCES)),
}


def is_objective(text: str) -> bool:
    """Whether a text names an objective rather than a loss.

    Example:
        >>> is_objective("reconstruct(corruption='masking(0.3)')"), is_objective("cross_entropy")
        (True, False)
    """
    return parse_call(text, "loss").name in (*OBJECTIVES, *DIVERGENCES)


def check_objective(text: str) -> object:
    """Make what a text names, to see that it can be made.

    Errors: `ArgumentError` for arguments that do not fit.

    Example:
        >>> check_objective("contrastive_divergence(steps=3)").steps
        3
    """
    return divergence_of(text) if parse_call(text, "loss").name in DIVERGENCES else objective_of(text)


def penalizes_shares(loss: str) -> bool:
    """Whether an objective asks units of the code to be on for a share of the rows, as only units from 0 to 1 can be.

    Args:
        loss: `training.loss`.

    Errors: `ArgumentError` for a text that cannot be read.

    Example:
        >>> penalizes_shares("reconstruct(sparsity='kl(rho=0.1)')"), penalizes_shares("reconstruct(sparsity='l1')")
        (True, False)
    """
    sparsity = parse_call(loss, "loss").keywords.get("sparsity", "none")
    return parse_call(sparsity, "sparsity").name == "kl"


def check_loss_of_task(text: str, task: str) -> None:
    """Refuse what names no loss at all, with a list of those of the task where it has some of its own.

    Args:
        text: `training.loss`.
        task: of the data.

    Errors: `PlanError` that lists those of the task.

    Example:
        >>> check_loss_of_task("hing", "generate")
        Traceback (most recent call last):
        ...
        leadline.errors.PlanError: There is no adversarial loss 'hing'. Expected one of hinge, minimax, non_saturating,
        wasserstein. Did you mean 'hinge'?
    """
    kind, fitting = _OF_TASKS.get(task, ("", ()))
    try:
        name = parse_call(text, "loss").name
    except ArgumentError as error:
        raise PlanError(str(error)) from error
    if fitting and name not in (*fitting, *LOSSES):  # one of another task is refused where the network is known
        unknown(kind, name, fitting, PlanError)


def check_objective_suits(loss: str, model: str, *, variational: bool) -> None:
    """Refuse an objective that is for other networks.

    Args:
        loss: `training.loss`.
        model: name of the network.
        variational: whether its codes have a distribution.

    Errors: `PlanError` that says which there are for it.

    Example:
        >>> check_objective_suits("reconstruct", "autoencoder", variational=False)
    """
    name = parse_call(loss, "loss").name
    fitting: tuple[str, ...] = ("reconstruct",)
    if model in OF_UNITS:
        fitting = tuple(DIVERGENCES)
    elif variational:
        fitting = ("variational_bound", "reconstruct")
    if name not in fitting:
        raise PlanError(
            f"training.loss = {name} is not how {model} learns",
            expected=" or ".join(fitting),
            do="Leave training.loss out, and what suits is taken.",
        )
    try:
        check_objective(loss)
    except ArgumentError as error:
        raise PlanError(str(error)) from error

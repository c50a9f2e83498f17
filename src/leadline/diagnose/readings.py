"""Readings: all that was measured of a training, as plain values.

The rules judge them, the report draws them, `diagnosis.json` keeps them. Nothing here holds a tensor: a diagnosis can be made
again, with other rules, from the file alone. A value of None was not measured; `Readings.unchecked` says why.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any

from leadline.diagnose.check_readings import (
    Activations,
    Asked,
    ClassNumbers,
    Giveaway,
    Hidden,
    Labels,
    LossWeights,
    OwnGradients,
    Pairs,
    Reach,
    Renamed,
    Sight,
    Splits,
    TargetColumns,
)
from leadline.diagnose.rival_readings import Game


@dataclass
class LayerFacts:
    """A layer with weights, before the first step: its kind, how its weights are spread, and what comes out of it."""

    name: str
    kind: str
    parameters: int
    fan_in: int = 0
    weight_std: float = 0.0  # of all its weights
    expected_std: float = 0.0  # 1/√fan_in times the gain of what follows: He for rectifiers, Xavier otherwise
    identical_units: float = 0.0  # share of output units whose weights equal another's
    output_std: float | None = None  # of the pre-activations of the kept rows, at the first step
    trainable: bool = True
    units: int = 0  # that it gives; 0 where that is not known
    as_drawn: bool = False  # weights spread as torch spreads those that it draws: they have learned nothing yet


@dataclass
class Program:
    """What the training is made of."""

    task: str = "other"  # classes, labels (0/1 outputs side by side), number, other
    classes: int = 0
    loss: str = ""
    optimizer: str = ""
    rate: float = 0.0
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch: int = 0
    steps: int = 0
    epochs: float | None = None  # None where the length of an epoch is not known
    rows: int = 0  # distinct training rows; those that were kept where `epochs` is None
    parameters: int = 0
    trainable: int = 0
    layers: list[LayerFacts] = field(default_factory=list)
    device: str = "cpu"


@dataclass
class Graph:
    """What the graph of the loss shows, walked from `loss.grad_fn`."""

    detached: bool = False  # the loss has no graph at all
    head: list[str] = field(default_factory=list)  # operations after the last weights, in order: ["softmax"], ["sigmoid"] …
    loss_operations: list[str] = field(default_factory=list)  # those of the loss: ["log_softmax", "nll_loss"] …
    linear_chains: list[list[str]] = field(default_factory=list)  # layers of weights with nothing non-linear between
    activations: list[str] = field(default_factory=list)  # the non-linear operations between layers, in order
    unreached: list[str] = field(default_factory=list)  # parameters that require gradients, but get none from the loss
    outside: list[str] = field(default_factory=list)  # parameters that no optimizer holds
    frozen: list[str] = field(default_factory=list)  # parameters that require no gradient
    problems: list[dict[str, str]] = field(default_factory=list)  # {"code": "double_softmax", "says": "…", "code_line": "…"}
    depth: int = 0  # layers of weights on the longest path
    normalizes: bool = False
    pretrained: bool = False  # it began with statistics or scales that only a training gives
    batch_norm: bool = False
    recurrent: bool = False
    convolutional: bool = False
    dropout: float = 0.0  # the largest share dropped
    dropout_in_evaluation: float = 0.0  # the same in evaluation mode, by calls that do not ask for the mode
    dropped_answers: float = 0.0  # the share dropped of what comes out of the last weights
    field_share: float | None = None  # receptive field over picture size, the smaller side
    widest_kernel: int | None = None  # of the convolutions, in pixels or steps
    unseen: list[str] = field(default_factory=list)  # operations that hide others (compiled, checkpointed): read from modules
    softmax_size: int | None = None  # how many entries the last softmax of head or loss shares out one to
    softmaxed: list[str] = field(default_factory=list)  # layers of weights that get a softmax as it is
    softmax_over_rows: bool = False  # it does so over the batch
    weighed_rows: bool = True  # no loss of usual kind is taken, or something multiplies it row by row
    broadcast: bool = False  # outputs [N, 1] meet targets [N]: the loss compares every row with every other
    broadcast_shape: list[int] = field(default_factory=list)  # of the outputs then
    foreign: float | None = None  # share of what targets ask of answers that is asked of those for other rows


@dataclass
class Columns:
    """The inputs, as numbers, on the kept training rows."""

    features: int = 0
    mean: float = 0.0
    std: float = 0.0
    smallest: float = 0.0
    largest: float = 0.0
    offset: float = 0.0  # the largest |mean|/std of a feature
    scale_ratio: float = 1.0  # 95th over 5th percentile of the features' std, constants apart
    constant: float = 0.0  # share of constant features
    non_finite: int = 0
    worst: list[str] = field(default_factory=list)
    kind: str = "numbers"  # numbers, pictures, tokens, series, other
    length: int = 0  # steps of series and of rows of tokens


@dataclass
class Answers:
    """The targets, on the kept training rows, and the outputs beside them."""

    dtype: str = ""
    shape: list[int] = field(default_factory=list)
    output_shape: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)  # of each class
    mean: float = 0.0
    std: float = 0.0
    smallest: float = 0.0
    largest: float = 0.0
    scale: str = ""  # of the outputs where it is not that of the targets: logarithms of counts, standardized …
    non_finite: int = 0
    contradictions: float = 0.0  # share of rows whose inputs equal another's with another target
    rows: int = 0  # that were looked at


@dataclass
class First:
    """The network before the first step, on kept rows."""

    loss: float | None = None
    expected_loss: float | None = None  # of a network that knows nothing: ln K, the entropy of the targets, their variance …
    best_constant_loss: float | None = None  # of the best constant output under this loss
    answer_spread: float | None = None  # deviation of the outputs over that of the targets, where these are numbers
    input_dependence: float | None = None  # spread of the outputs over the rows, relative to their own size
    mode_difference: float | None = None  # |loss in training mode − in evaluation mode| / the latter
    # Read only where nothing has been trained yet:
    finite: bool | None = None  # whether the loss is a number on all kept rows
    first_over_last: float | None = None  # gradient of the first matrix over that of the last, per √parameter
    dead: dict[str, float] = field(default_factory=dict)  # layer → share of units that gave nothing for all rows
    saturated: dict[str, float] = field(default_factory=dict)  # layer → share of outputs where the slope is below 1 %


@dataclass
class Sample:
    """What was read at one sampled step, by parameter group: the names are those of `Steps.names`."""

    step: int
    seconds: float
    loss: float
    gradient: list[float]  # ‖g‖ of each weight tensor
    weight: list[float]  # ‖w‖
    update: list[float | None]  # ‖Δw‖
    rate: float = 0.0
    dead: dict[str, float] = field(default_factory=dict)  # layer → share of units that gave 0 (or less) for all its rows
    saturated: dict[str, float] = field(default_factory=dict)  # layer → share of outputs where the slope is below 1 %
    scale: dict[str, float] = field(default_factory=dict)  # layer → standard deviation of its outputs
    training_mode: bool = True
    waited: float | None = None  # share of the step's time before the network was called
    waited_seconds: float | None = None
    graph: bool = True  # gradients were enabled
    clipped_to: float | None = None  # what clipping left of the gradient's length; 1 where it was not clipped
    clipped_late: bool = False  # it was shortened once the update had been made


@dataclass
class Steps:
    """While it trained."""

    names: list[str] = field(default_factory=list)  # the weight tensors, from the input to the output
    sizes: list[int] = field(default_factory=list)
    matrices: list[str] = field(default_factory=list)  # those of more than one dimension that require a gradient
    samples: list[Sample] = field(default_factory=list)
    losses: list[tuple[int, float]] = field(default_factory=list)  # (step, mean loss since the one before), up to 200 stretches
    noise: float | None = None  # standard deviation of the loss from step to step, around its trend
    valid: list[tuple[int, float, float]] = field(default_factory=list)  # (step, held-out loss, held-out error)
    valid_recalls: list[tuple[int, list[float]]] = field(default_factory=list)  # (step, recall of each class), held-out rows
    planned_rate: float | None = None  # the highest that a schedule was to reach
    clipped: float | None = None  # share of steps whose gradient was shortened before the update
    clipped_to: float | None = None  # its usual length then, over that before
    waiting: float | None = None  # share of the time spent waiting for the next batch
    waiting_seconds: float | None = None  # a step
    not_zeroed: float | None = None  # share of sampled steps before which gradients were not zeroed
    not_updated: list[str] = field(default_factory=list)  # had a gradient and stayed the same to the bit
    evaluation_mode: float = 0.0  # share of later sampled steps in evaluation mode although the network has modes
    judged_in_training: int = 0  # passes without gradients in training mode, and
    judged_in_evaluation: int = 0  # in evaluation mode, of the first dozen
    non_finite_step: int | None = None
    non_finite_where: str = ""  # layer, loss or gradient, and a row, as a copy found it
    repeated_batches: float | None = None  # share of rows that came in the order of the epoch before
    rows_a_batch_sorted: float | None = None  # how far the targets within batches are less mixed than by chance, 0 to 1


@dataclass
class Judged:
    """How good the network is on some rows, in evaluation mode."""

    rows: int
    loss: float | None  # None where the loss is not known
    error: float  # share wrong; for numbers 1 − R²; NaN where neither this nor the loss can be told
    loss_se: float = 0.0
    error_se: float = 0.0
    balanced_error: float | None = None
    recalls: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)  # rows of each class
    answered: list[float] = field(default_factory=list)  # share of rows for which each class is answered
    constant: bool = False  # one answer for every row
    entropy: float | None = None  # mean entropy of the answers, in nats
    silent: float = 0.0  # share of rows for whose class the output is exactly 0
    shares: list[float] = field(default_factory=list)  # of the places of maps and sequences, by class


@dataclass
class Last:
    """The trained network."""

    train: Judged | None = None
    valid: Judged | None = None
    mode_difference: float | None = None  # |loss in training mode − in evaluation mode| / the larger of it and a floor
    restless_error: float | None = None  # in training mode, on the rows of `valid`, where that is how the program judges
    restless_error_se: float = 0.0  # of its difference to the error in evaluation mode
    stale_error: float | None = None  # by which running statistics of batch norm raise the error above that with batches' own
    stale_error_se: float = 0.0
    permuted_loss: float | None = None  # on inputs permuted over the rows
    input_dependence: float | None = None
    slope: float | None = None  # d log L / d log t over the last quarter of the steps; negative still falls
    slope_se: float | None = None
    dead: dict[str, float] = field(default_factory=dict)
    saturated: dict[str, float] = field(default_factory=dict)
    suspicious: list[dict[str, Any]] = field(default_factory=list)  # rows: {"row", "label", "likelier", "confidence"}
    mixing: float | None = None  # how far answers move with the other rows of their batch, in shares of their spread
    passed: float | None = None  # how far what is rebuilt from drawn codes differs by row, in shares of how far rows do
    horizon: float | None = None  # steps back after which a recurrent net's gradient has fallen to 1 %


@dataclass
class Beside:
    """Simple methods on the same rows, by name: constant, linear, neighbours, trees."""

    train_error: dict[str, float] = field(default_factory=dict)
    valid_error: dict[str, float] = field(default_factory=dict)
    valid_se: dict[str, float] = field(default_factory=dict)
    valid_balanced: dict[str, float] = field(default_factory=dict)  # of classes: mean over them of the share wrong
    valid_rows: int = 0
    from_split: bool = True  # False: no validation rows were given, so a part of the training rows was left out for this
    task: str = ""  # for which they were fitted


@dataclass
class Drill:
    """One batch, learned by heart by a copy without regularization."""

    rows: int = 0
    steps: int = 0
    error: float | None = None  # at the end, share wrong or 1 − R²
    first_loss: float | None = None
    last_loss: float | None = None


@dataclass
class Rates:
    """The learning-rate range test: a copy that trains while its rate grows from step to step."""

    curve: list[tuple[float, float]] = field(default_factory=list)  # (rate, smoothed loss), until it diverged
    own: float = 0.0  # the person's largest rate
    first_loss: float | None = None  # before the first step
    falls_from: float | None = None  # the rate at which the loss begins to fall
    falls_to: float | None = None  # that at which it is lowest
    diverged: float | None = None  # that from which on it is worse than at the start; None where it never is
    steepest: float | None = None  # that at which it falls most over the logarithm of the rate
    recommended: float | None = None  # None where the loss does not fall at any rate


@dataclass
class Branch:
    """A short training of a copy with one thing changed, beside an unchanged twin, same rows, same seeds."""

    change: str  # one of `trials.CHANGES`
    argument: float | str | None
    steps: int
    losses: list[float]  # on held-out (else training) rows at the end, one a seed
    twins: list[float]
    errors: list[float] = field(default_factory=list)
    twin_errors: list[float] = field(default_factory=list)
    gain: float = 0.0  # in error (share wrong or 1 − R²) where it can be told, else in relative loss
    gain_se: float = 0.0
    seconds: float = 0.0


@dataclass
class Readings:
    """Everything, by when it was read.

    Example:
        >>> readings = Readings()
        >>> readings.program.rate = 0.1
        >>> Readings.from_json(readings.to_json()) == readings
        True
    """

    program: Program = field(default_factory=Program)
    graph: Graph = field(default_factory=Graph)
    columns: Columns = field(default_factory=Columns)
    answers: Answers = field(default_factory=Answers)
    asked: Asked = field(default_factory=Asked)
    first: First = field(default_factory=First)
    steps: Steps = field(default_factory=Steps)
    last: Last = field(default_factory=Last)
    activations: Activations = field(default_factory=Activations)
    beside: Beside = field(default_factory=Beside)
    splits: Splits = field(default_factory=Splits)
    hidden: Hidden = field(default_factory=Hidden)
    loss_weights: LossWeights = field(default_factory=LossWeights)
    own_gradients: OwnGradients = field(default_factory=OwnGradients)
    numbers: ClassNumbers = field(default_factory=ClassNumbers)
    renamed: Renamed = field(default_factory=Renamed)
    pairs: Pairs = field(default_factory=Pairs)
    reach: Reach = field(default_factory=Reach)
    targets: TargetColumns = field(default_factory=TargetColumns)
    labels: Labels = field(default_factory=Labels)
    giveaway: Giveaway = field(default_factory=Giveaway)
    sight: Sight = field(default_factory=Sight)
    drill: Drill = field(default_factory=Drill)
    rates: Rates = field(default_factory=Rates)
    game: Game = field(default_factory=Game)
    branches: list[Branch] = field(default_factory=list)
    beside_change: str = ""  # the change that gained most, which the twins of further branches had as well
    further: list[Branch] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Readings:
        """The inverse of `to_json`; what a newer Leadline measured in addition is left out, what an older did not is None."""
        made: Readings = _made(cls, record)
        return made


def _made(kind: Any, value: Any) -> Any:
    """A dataclass, or lists and dicts of dataclasses, from plain values."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _made(hints[name], part) for name, part in value.items() if name in hints})  # type: ignore[operator]
    if value is None:
        return None
    origin, parts = typing.get_origin(kind), [each for each in typing.get_args(kind) if each is not type(None)]
    if origin is list:
        return [_made(parts[0], each) for each in value]
    if origin is tuple:
        return tuple(value)
    if origin in (types.UnionType, typing.Union) and len(parts) == 1:
        return _made(parts[0], value)
    return value

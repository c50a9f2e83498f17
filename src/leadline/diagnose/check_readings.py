"""Readings of single checks: weights that nobody holds, class numbers as amounts, pairs, how far back a gradient reaches."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Asked:
    """What the loss asks of the targets, where they are no answers to the inputs."""

    places: bool = False  # they count the rows of their batch: each row is to find its own partner among all
    moving: bool = False  # the same inputs come with other targets later in the training than before
    same: bool = False  # all of them are the same, and the loss, which may ask something else, is not known
    unlike: bool = False  # the loss is not known, and is none that is usual of these outputs and targets
    improper: float | None = None  # of targets that are shares: slope of the loss where answers are the targets, over the usual
    among: bool = False  # the loss compares the rows of a batch, so that the loss of a row alone is another thing

    @property
    def answers(self) -> bool:
        """Whether they are answers, each to its own row."""
        return not (self.places or self.moving or self.same or self.unlike or self.among)


@dataclass
class Hidden:
    """Weights that outputs are made with, and that neither the network nor an optimizer holds."""

    names: list[str] = field(default_factory=list)  # where they lie in plain attributes of the network
    container: str = ""  # in what: list, tuple, dict; empty for a bare tensor
    attribute: str = ""  # of the module whose it is
    holder: str = ""  # what would make them known: nn.ModuleList, nn.ParameterDict …
    share: float = 0.0  # of all weights
    as_drawn: bool = False  # some are spread as torch draws them: they have learned nothing, anywhere
    elsewhere: int = 0  # tensors outside of the network, of no optimizer either
    plain: list[str] = field(default_factory=list)  # tensors in plain attributes that require no gradient, as if just drawn
    plain_share: float = 0.0  # of all weights
    made_anew: int = 0  # weights that are other tensors in each pass, so that the same rows get other answers


@dataclass
class LossWeights:
    """Parameters in the graph of the loss that are none of the network's: a head, directions of classes, another network."""

    count: int = 0  # of them, whoever trains them
    standing: list[list[int]] = field(default_factory=list)  # shapes of those that nobody moved though they had gradients
    as_drawn: bool = False  # some of these are spread as torch draws weights


@dataclass
class OwnGradients:
    """Functions with a backward pass that the person wrote."""

    functions: list[str] = field(default_factory=list)  # by name
    off: float = 0.0  # largest share by which the slope of the loss along a gradient is another than the gradient's length


@dataclass
class ClassNumbers:
    """Targets of a fit of numbers, where they may be numbers of classes."""

    kinds: int = 0  # of whole numbers; 0 where it was not looked at
    order: float = 1.0  # share of random numberings of the classes that put likes at least as near to each other
    neighbours: float = 0.0  # share of rows whose nearest say the right class
    network: float = 0.0  # share of rows for which the rounded answer is right
    se: float = 0.0  # of the difference


@dataclass
class Renamed:
    """Held-out rows whose classes may have other numbers than those of the training rows."""

    moved: int = 0  # classes whose answers mean another class, in both halves of the held-out rows
    error: float = 0.0  # share of wrong answers as they are
    error_renamed: float = 0.0  # with the numbers exchanged, on rows that did not choose the exchange
    se: float = 0.0  # of the difference


@dataclass
class Pairs:
    """A network that says how far two inputs of one kind lie apart, and a loss on that."""

    closeness: str = ""  # distance, likeness; empty where it says something else
    raw: float = 0.5  # how often, of two pairs, that with the larger target has the nearer inputs
    raw_se: float = 0.0
    learned: float = 0.5  # how often it is nearer to the network
    pull: float = 0.0  # beyond 0 the loss draws pairs with the larger target together, below it the others


@dataclass
class Giveaway:
    """The input column that the target explains best, where it explains most of it: does it give the answer away?"""

    columns: list[int] = field(default_factory=list)  # several where a category stands in columns of 0 and 1
    told: float = 0.0  # share of its variance that the target explains
    copied: bool = False  # the target in other words: one value for each class, or a straight line over the numbers
    beside: int = 0  # other columns
    rows: int = 0  # that were looked at
    constant: float = 0.0  # error of one answer for all
    alone: float | None = None  # error of a simple method that gets this column alone, on rows that it did not see
    others: float | None = None  # of one that gets all others
    others_se: float = 0.0
    shared: float | None = None  # share of the column that the others explain
    shared_beyond: float | None = None  # share of what it has besides the target that the others explain; 0 ± se of noise
    shared_beyond_se: float = 0.0


@dataclass
class Reach:
    """Of rows of steps: from which steps a gradient arrives, and what simple methods know by those and by the others."""

    length: int = 0  # steps of a row; 0 where it was not looked at
    unreached: int = 0  # steps of which less than 1 % of the largest gradient arrives when it begins
    cut: bool = False  # it is exactly 0 there
    within: float | None = None  # error of the best simple method that gets the other steps alone
    within_se: float = 0.0
    beyond: float | None = None  # of the best one that gets the unreached steps alone
    beyond_se: float = 0.0


@dataclass
class TargetColumns:
    """Targets of several numbers or labels a row, each by itself; what is said of answers is of held-out rows."""

    spreads: list[float] = field(default_factory=list)  # of numbers, their standard deviation
    errors: list[float] = field(default_factory=list)  # of the network, in shares of their variance
    shares: list[float] = field(default_factory=list)  # of labels, how many rows have them
    there: list[int] = field(default_factory=list)  # rows with the label
    found: list[int] = field(default_factory=list)  # those for which it is said
    apart: list[float] = field(default_factory=list)  # how often a row with it gets the larger output than one without


@dataclass
class Activations:
    """What flows into the activations, before the first step and after the last: how often each value came, by layer."""

    edges: list[float] = field(default_factory=list)  # of the bins, the same for all; what lies beyond is in the outer ones
    first: dict[str, list[int]] = field(default_factory=dict)
    last: dict[str, list[int]] = field(default_factory=dict)
    follows: dict[str, str] = field(default_factory=dict)  # layer → the activation that it feeds, where it feeds one


@dataclass
class Sight:
    """Whether a network that goes through rows step by step reads the answer of a step before it gives it."""

    kind: str = ""  # "next": it sees the step ahead, "own": it is given the step itself; empty where it is neither
    share: float = 0.0  # of rows whose answer changes when that is changed


@dataclass
class Labels:
    """Whether the labels look right, by methods that do not share the network's faults (neighbours, out of fold)."""

    disagreement: float | None = None  # share of rows whose neighbours confidently say another class
    expected_disagreement: float | None = None  # what is expected of rows whose labels are drawn from the neighbours' votes
    rows: list[int] = field(default_factory=list)


@dataclass
class Splits:
    """Training beside held-out rows."""

    copies: float | None = None  # share of held-out rows that (nearly) are in training
    told_apart: float | None = None  # AUC of a classifier of training against held-out rows
    told_apart_se: float | None = None
    class_distance: float | None = None  # total variation of the class shares
    held_distinct: int = 0  # held-out rows that differ from each other
    pairs: list[tuple[int, int]] = field(default_factory=list)  # (held-out row, training row)

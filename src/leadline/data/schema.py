"""Schema: whatever turns raw input into arrays and outputs into answers: learned in training, saved with the model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from leadline.data.answers import Answers, answers_from_json
from leadline.data.forecasts.windows import Windows
from leadline.data.pictures.enlarging import SmallPictures
from leadline.data.pictures.pictures import Pictures
from leadline.data.series.series import Series
from leadline.data.steps.tagged_sentences import Sentences
from leadline.data.tables.table import Table
from leadline.data.texts.texts import Texts
from leadline.data.tokens.tokens import Tokens
from leadline.data.trees.trees import Trees
from leadline.data.unlabelled.unit_inputs import UnitPictures, UnitVectors
from leadline.data.vectors import Vectors
from leadline.data.words.word_answers import CorpusWords
from leadline.errors import RunError, unknown

Inputs = Pictures | Vectors | Table | Texts | Series | Windows | SmallPictures | Tokens | CorpusWords | Sentences | Trees
_KINDS = (
    Pictures,
    UnitPictures,
    Vectors,
    UnitVectors,
    Table,
    Texts,
    Series,
    Windows,
    SmallPictures,
    Tokens,
    CorpusWords,
    Sentences,
    Trees,
)
_INPUTS: dict[str, type[Inputs]] = {kind.kind: kind for kind in _KINDS}


@dataclass(frozen=True)
class Schema:
    """What a network needs around it: `inputs` encodes and prepares what goes in, `answers` decodes what comes out.

    Prediction uses the very objects that training used, so it cannot preprocess differently.

    Example:
        >>> from leadline.data import Classes
        >>> schema = Schema(Vectors(mean=(0.0, 5.0), std=(1.0, 2.0)), Classes(("no", "yes")))
        >>> schema.task, Schema.from_json(schema.to_json()) == schema
        ('classes', True)
    """

    inputs: Inputs
    answers: Answers

    @property
    def task(self) -> str:
        return self.answers.task

    def to_json(self) -> dict[str, Any]:
        return {
            "inputs": {
                "kind": self.inputs.kind,
                **(self.inputs.to_json() if isinstance(self.inputs, Table) else asdict(self.inputs)),
            },
            "answers": {"task": self.answers.task, **asdict(self.answers)},
        }

    @staticmethod
    def from_json(record: dict[str, Any]) -> Schema:
        try:
            inputs = dict(record["inputs"])
            kind = inputs.pop("kind")
            if kind not in _INPUTS:
                unknown("kind of input", kind, _INPUTS, RunError)
            return Schema(_INPUTS[kind].from_json(inputs), answers_from_json(record["answers"]))
        except (KeyError, TypeError) as error:
            raise RunError("The schema is not one that this version of Leadline reads", got=repr(error)) from error

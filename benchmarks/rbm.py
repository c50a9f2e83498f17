"""Boltzmann machines and deep belief nets on a CPU, beside scikit-learn's BernoulliRBM and published figures.

`python rbm.py` runs all parts; `python rbm.py speed likelihood` only those named; `--tiny` on a few rows, to see that it runs.
What is there already of other parts is kept.

- speed: rows a second of a 784-500 machine on MNIST and Fashion-MNIST in float32, one pass over 6,000 rows each in turn,
  A B A B: at scikit-learn's defaults (batch 10, persistent chains), at batch 100, and Leadline with CD-1 and in bfloat16.
- curve: pseudo-likelihood of 1,000 test rows (drawn once, 32 units a row) against seconds of training, the same batch for both.
- digits: logistic regression on the features, after scikit-learn's example "Restricted Boltzmann Machine features for digit
  classification": the same shifted digits, machine size and passes, the classifier trained to the end; and on the pixels.
- likelihood: log-likelihood of the test pictures (binarized by chance) by annealed importance sampling, after so many minutes
  of persistent chains; the published 500-unit machines have −86.34 (CD-25, Salakhutdinov and Murray 2008).
- belief: 784-500-500-2000 learned layer by layer, then fine-tuned with dropout, beside the same tuning from random weights:
  errors of the MNIST test pictures after the last epoch, so many seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from machine import RESULTS, machine, spread, write
from numpy.typing import NDArray
from scipy.ndimage import convolve
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import minmax_scale
from torch import Tensor, nn

from leadline import data
from leadline.models.boltzmann.annealed_sampling import annealed_log_partition, log_likelihood
from leadline.models.boltzmann.belief_net_steps import GreedyDivergence
from leadline.models.boltzmann.belief_nets import DeepBeliefNet, feed_forward_network
from leadline.models.boltzmann.binarized_rows import BinarizedRows
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine, drawn
from leadline.models.boltzmann.boltzmann_steps import ContrastiveDivergence
from leadline.models.boltzmann.pseudo_likelihoods import pseudo_log_likelihood
from leadline.optim import make_schedule
from leadline.training import Callback, Supervised, run_loop

HIDDEN, ROUNDS = 500, 7
PUBLISHED = {"CD-1": -125.53, "CD-3": -105.50, "CD-25": -86.34}
"""Average test log-likelihoods of 500-unit machines on MNIST, Salakhutdinov and Murray (2008), table 1."""


class Rows:
    """Batches of rows in a new order each epoch; with `classes`, pairs."""

    def __init__(self, rows: Tensor, batch: int, classes: Tensor | None = None) -> None:
        self.rows, self.batch, self.classes = rows, batch, classes

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch)

    def epoch(self, number: int, first: int = 0) -> Iterator[Any]:
        order = torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(number))
        for at in order.split(self.batch)[first:]:
            part = self.rows.index_select(0, at)
            yield part if self.classes is None else (part, self.classes[at])


def pictures(name: str, tiny: bool) -> dict[str, Tensor]:
    """Rows in [0, 1], [N, 784], and classes."""
    dataset = data.load(name)

    def rows(split: Any) -> Tensor:
        return torch.from_numpy(np.asarray(split.inputs)).reshape(len(split), -1).float() / 255

    train, valid, test = (rows(split) for split in (dataset.train, dataset.valid, dataset.test))
    of_train, of_valid, of_test = (
        torch.from_numpy(np.asarray(split.targets)).long() for split in (dataset.train, dataset.valid, dataset.test)
    )
    found = {
        "train": torch.cat([train, valid]),
        "train classes": torch.cat([of_train, of_valid]),
        "test": test,
        "test classes": of_test,
    }
    return {key: value[: 600 if "train" in key else 200] for key, value in found.items()} if tiny else found


def fresh(rows: Tensor, hidden: int = HIDDEN, hidden_start: float = 0.0) -> RestrictedBoltzmannMachine:
    made = RestrictedBoltzmannMachine((rows.shape[1],), hidden, hidden_start=hidden_start)
    made.start_from(rows)
    return made


def as_ours(peer: BernoulliRBM) -> RestrictedBoltzmannMachine:
    made = RestrictedBoltzmannMachine((peer.components_.shape[1],), peer.components_.shape[0])
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(peer.components_))
        made.visible_bias.copy_(torch.from_numpy(peer.intercept_visible_))
        made.hidden_bias.copy_(torch.from_numpy(peer.intercept_hidden_))
    return made


def speed(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("mnist", "fashion-mnist"):
        rows = pictures(name, options.tiny)["train"][:6000]
        settings: dict[str, tuple[int, dict[str, Any] | None]] = {
            "scikit-learn, batch 10": (10, None),
            "leadline, batch 10": (10, {"particles": 10}),
            "leadline CD-1, batch 10": (10, {}),
            "scikit-learn, batch 100": (100, None),
            "leadline, batch 100": (100, {"particles": 100}),
            "leadline CD-1, batch 100": (100, {}),
            "leadline in bfloat16, batch 10": (10, {"particles": 10, "precision": torch.bfloat16}),
            "leadline in bfloat16, batch 100": (100, {"particles": 100, "precision": torch.bfloat16}),
            "leadline in bfloat16, batch 500": (500, {"particles": 500, "precision": torch.bfloat16}),
        }
        rates: dict[str, list[float]] = {key: [] for key in settings}
        for number in range(2 if options.tiny else ROUNDS + 1):
            for key, (batch, arguments) in settings.items():
                if arguments is None:
                    peer = BernoulliRBM(HIDDEN, batch_size=batch, n_iter=1, random_state=number)
                    array = rows.numpy()
                    start = time.perf_counter()
                    peer.fit(array)
                else:
                    step = ContrastiveDivergence(fresh(rows), 0.01, **arguments)
                    batches = Rows(rows, batch)
                    start = time.perf_counter()
                    run_loop(step, batches, epochs=1)
                if number:  # the first round warms up
                    rates[key].append(len(rows) / (time.perf_counter() - start))
        found[name] = {key: spread(values) for key, values in rates.items()}
        for ours, theirs in (
            ("leadline, batch 10", "scikit-learn, batch 10"),
            ("leadline in bfloat16, batch 100", "scikit-learn, batch 10"),
            ("leadline, batch 100", "scikit-learn, batch 100"),
            ("leadline in bfloat16, batch 100", "scikit-learn, batch 100"),
        ):
            pairs = zip(rates[ours], rates[theirs], strict=True)
            found[name][f"{ours}, times {theirs}"] = spread([one / other for one, other in pairs])
        for key, value in found[name].items():
            print(f"{name:14} {key:62} {value['median']:10.1f} ({value['low']:.1f} to {value['high']:.1f})", flush=True)
    return found


class Clock(Callback):
    """Seconds of training, and what is to be told at some steps, which does not count."""

    def __init__(self, every: int, tell: Any) -> None:
        self.every, self.tell = every, tell
        self.spent, self.since, self.told = 0.0, time.perf_counter(), []  # type: ignore[var-annotated]

    def fit_start(self, now: Any) -> None:
        self.since = time.perf_counter()

    def batch_end(self, now: Any) -> None:
        if now.step % self.every == 0:
            self.spent += time.perf_counter() - self.since
            self.told.append({"seconds": round(self.spent, 2), "step": now.step, **self.tell()})
            self.since = time.perf_counter()


def curve(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("mnist", "fashion-mnist"):
        rows = pictures(name, options.tiny)
        train, held = rows["train"], drawn(rows["test"][:1000], torch.Generator().manual_seed(0))

        def told(made: RestrictedBoltzmannMachine, held: Tensor = held) -> dict[str, float]:
            generator = torch.Generator().manual_seed(0)
            return {
                "pseudo_likelihood": round(pseudo_log_likelihood(made, held, units=32, generator=generator).mean().item(), 3)
            }

        for batch, epochs, rate in ((10, 2, options.rate / 3), (100, 5, options.rate)):
            torch.manual_seed(0)
            made = fresh(train)
            schedule = make_schedule("polynomial")
            step = ContrastiveDivergence(made, rate, particles=batch, schedule=schedule, precision=options.precision)
            times = max(1, len(train) // batch // 4)
            clock = Clock(times, lambda made=made: told(made))
            run_loop(step, Rows(train, batch), epochs=epochs * 3, callbacks=[clock])
            peer, spent, theirs = BernoulliRBM(HIDDEN, batch_size=batch, random_state=0), 0.0, []
            array = train.numpy()
            for number in range(epochs):
                order = np.random.default_rng(number).permutation(len(array))
                start = time.perf_counter()
                for at in range(0, len(array) - batch + 1, batch):
                    peer.partial_fit(array[order[at : at + batch]])
                spent += time.perf_counter() - start
                theirs.append({"seconds": round(spent, 2), **told(as_ours(peer))})
            found[f"{name}, batch {batch}"] = {"leadline": clock.told, "scikit-learn": theirs}
            print(
                f"{name} batch {batch}\n  leadline     {clock.told[::4]} {clock.told[-1]}\n  scikit-learn {theirs}", flush=True
            )
    return found


def shifted(rows: NDArray[Any], classes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each digit as it is and moved by one pixel to the left, the right, up and down."""
    moves = [np.zeros((3, 3)) for _ in range(4)]
    for move, place in zip(moves, ((0, 1), (1, 0), (1, 2), (2, 1)), strict=True):
        move[place] = 1
    every = [rows] + [np.stack([convolve(row.reshape(8, 8), move, mode="constant").ravel() for row in rows]) for move in moves]
    return np.concatenate(every), np.concatenate([classes] * 5)


def digits(options: argparse.Namespace) -> dict[str, Any]:
    rows, classes = load_digits(return_X_y=True)
    rows, classes = shifted(np.asarray(rows, "float32"), classes)
    rows = minmax_scale(rows, feature_range=(0, 1))
    scores: dict[str, list[float]] = {"leadline": [], "scikit-learn": [], "pixels": []}
    for seed in range(1, 2 if options.tiny else 6):
        train, test, of_train, of_test = train_test_split(rows, classes, test_size=0.2, random_state=seed)
        torch.manual_seed(seed)
        made = fresh(torch.from_numpy(train), 100, options.hidden_start)
        run_loop(
            ContrastiveDivergence(made, 0.06, momentum=0.5),
            Rows(torch.from_numpy(train), 10),
            epochs=10,
        )
        peer = BernoulliRBM(n_components=100, learning_rate=0.06, n_iter=10, random_state=seed).fit(train)
        with torch.no_grad():
            ours = [made(torch.from_numpy(part)).numpy() for part in (train, test)]
        features = {"leadline": ours, "scikit-learn": [peer.transform(part) for part in (train, test)]}
        for name, (learned, held) in features.items():
            head = LogisticRegression(C=6000.0, max_iter=2000).fit(learned, of_train)
            scores[name].append(float(head.score(held, of_test)))
        head = LogisticRegression(C=100.0, max_iter=2000).fit(train, of_train)
        scores["pixels"].append(float(head.score(test, of_test)))
    for name, values in scores.items():
        print(f"digits {name:14} {np.mean(values):.4f} ({len(values)} seeds)", flush=True)
    return {"accuracy": scores}


def likelihood(options: argparse.Namespace) -> dict[str, Any]:
    rows = pictures("mnist", options.tiny)
    train, test = rows["train"], drawn(rows["test"], torch.Generator().manual_seed(0))
    found: dict[str, Any] = {"published": PUBLISHED, "reached": []}
    for minutes in (0.02,) if options.tiny else options.minutes:
        torch.manual_seed(0)
        made = fresh(train)
        batches = BinarizedRows(Rows(train, 100))
        trial = ContrastiveDivergence(fresh(train), options.rate, particles=100, precision=options.precision)
        start = time.perf_counter()
        run_loop(trial, BinarizedRows(Rows(train[:6000], 100)), epochs=1)
        pace = (time.perf_counter() - start) * len(train) / min(6000, len(train))
        epochs = max(1, round(60 * minutes / pace))
        step = ContrastiveDivergence(
            made,
            options.rate,
            particles=100,
            schedule=make_schedule("polynomial"),
            weight_decay=0,
            precision=options.precision,
        )
        start = time.perf_counter()
        run_loop(step, batches, epochs=epochs)
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        estimate = annealed_log_partition(made, rows=train, chains=100, temperatures=100 if options.tiny else 14_500)
        of = log_likelihood(made, test, estimate.log_partition)
        found["reached"].append(
            {
                "seconds": round(seconds, 1),
                "epochs": epochs,
                "test_log_likelihood": of.mean().item(),
                "of_the_rows": of.std().item() / len(of) ** 0.5,
                "log_partition": estimate.log_partition,
                "standard_error": estimate.standard_error,
                "effective_chains": estimate.effective_chains,
                "seconds_of_annealing": round(time.perf_counter() - start, 1),
            }
        )
        print(f"likelihood {found['reached'][-1]}", flush=True)
    return found


def belief(options: argparse.Namespace) -> dict[str, Any]:
    rows = pictures("mnist", options.tiny)
    trainings = []
    for seed in range(1 if options.tiny else options.seeds):
        for passes in (1 if options.tiny else options.passes, 0):
            torch.manual_seed(seed)
            net = DeepBeliefNet((784,), (500, 500, 2000))
            start = time.perf_counter()
            if passes:
                net.start_from(rows["train"])
                step = GreedyDivergence(net, 0.05, schedule=make_schedule("cosine"), precision=options.precision)
                run_loop(step, Rows(rows["train"], 100), epochs=3 * passes)
            learned = time.perf_counter() - start
            network = nn.Sequential(nn.Dropout(0.1), feed_forward_network(net, 10, dropout=0.3))
            if not passes:
                for layer in network.modules():
                    if isinstance(layer, nn.Linear):
                        nn.init.xavier_uniform_(layer.weight)
                        nn.init.zeros_(layer.bias)
            start = time.perf_counter()
            error = tuned(network, rows, 1 if options.tiny else options.tuning)
            spent = time.perf_counter() - start
            print(f"seed {seed}, {passes} passes: {error:.2%} wrong; {learned:.0f} s + {spent:.0f} s", flush=True)
            times = {"seconds_of_machines": round(learned, 1), "seconds_of_tuning": round(spent, 1)}
            trainings.append({"seed": seed, "passes_a_machine": passes, "test_error": error, **times})
    errors = {
        name: spread([each["test_error"] for each in trainings if bool(each["passes_a_machine"]) == before])
        for name, before in (("pre-trained", True), ("from random weights", False))
    }
    return {
        "test_error": errors,
        "passes_of_tuning": options.tuning,
        "test_pictures": len(rows["test"]),
        "trainings": trainings,
    }


def tuned(network: nn.Module, rows: dict[str, Tensor], epochs: int) -> float:
    """The test error after fine-tuning by Adam, the rate along a cosine to 0."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    step = Supervised(network, nn.functional.cross_entropy, optimizer, schedule=make_schedule("cosine"))
    run_loop(step, Rows(rows["train"], 100, rows["train classes"]), epochs=epochs)
    with torch.no_grad():
        return (network.eval()(rows["test"]).argmax(1) != rows["test classes"]).double().mean().item()


PARTS = {"speed": speed, "curve": curve, "digits": digits, "likelihood": likelihood, "belief": belief}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--rate", type=float, default=0.02, help="of persistent chains")
    parser.add_argument("--half", action="store_true", help="products in bfloat16, except in the part speed, which has both")
    parser.add_argument(
        "--hidden-start",
        type=float,
        default=-1.5,
        help="of the digits' machine; chosen on the split of seed 0, which is not counted",
    )
    parser.add_argument("--minutes", type=float, nargs="+", default=[2.0, 10.0], help="of training, for the likelihood")
    parser.add_argument("--passes", type=int, default=15, help="over the data for each machine of the net")
    parser.add_argument("--tuning", type=int, default=40, help="passes of fine-tuning")
    parser.add_argument("--seeds", type=int, default=3, help="of the deep belief net")
    options = parser.parse_args()
    options.precision = torch.bfloat16 if options.half else torch.float32
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}: there are {', '.join(PARTS)}")
    path = RESULTS / "rbm.json"
    record = json.loads(path.read_text()) if path.exists() and not options.tiny else {}
    for part in options.parts or PARTS:
        record[part] = {"machine": machine("scikit-learn"), **PARTS[part](options)}
        if not options.tiny:
            write("rbm", record)


if __name__ == "__main__":
    main()

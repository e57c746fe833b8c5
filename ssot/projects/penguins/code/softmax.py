"""A softmax (multinomial logistic) regression in plain Python, small enough to read."""

import dataclasses
import math
import random
import statistics
from collections.abc import Iterator, Sequence

Vector = list[float]
Example = tuple[Vector, int]


@dataclasses.dataclass(frozen=True)
class Model:
    """Weights per class (the bias last), and the scale that brings each feature to mean 0, deviation 1."""

    labels: tuple[str, ...]
    features: tuple[str, ...]
    means: Vector
    deviations: Vector
    weights: list[Vector]

    def scaled(self, values: Sequence[float]) -> Vector:
        """A measurement as the weights want it: scaled, with a 1 for the bias."""
        triples = zip(values, self.means, self.deviations, strict=True)
        return [*((value - mean) / deviation for value, mean, deviation in triples), 1.0]

    def probabilities(self, values: Sequence[float]) -> Vector:
        """One probability per label."""
        return softmax(self.weights, self.scaled(values))

    def predict(self, values: Sequence[float]) -> str:
        """The likeliest label."""
        chances = self.probabilities(values)
        return self.labels[chances.index(max(chances))]


def softmax(weights: list[Vector], scaled: Vector) -> Vector:
    """Class probabilities; the largest score is subtracted first, so that exp() cannot overflow."""
    scores = [sum(map(float.__mul__, row, scaled)) for row in weights]
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def untrained(
    examples: Sequence[Example], labels: Sequence[str], features: Sequence[str], seed: int
) -> Model:
    """A model with the scale of the examples and small random weights."""
    columns = list(zip(*(values for values, _ in examples), strict=True))
    chance = random.Random(seed)  # noqa: S311 - a repeatable start, not a secret
    return Model(
        labels=tuple(labels),
        features=tuple(features),
        means=[statistics.fmean(column) for column in columns],
        deviations=[statistics.pstdev(column) or 1.0 for column in columns],
        weights=[[chance.gauss(0, 0.01) for _ in range(len(features) + 1)] for _ in labels],
    )


def train(
    model: Model, examples: Sequence[Example], *, learning_rate: float, epochs: int, seed: int
) -> Iterator[float]:
    """Improve the weights in place by stochastic gradient descent; yields each epoch's mean loss."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable order, not a secret
    scaled = [(model.scaled(values), label) for values, label in examples]
    for epoch in range(epochs):
        chance.shuffle(scaled)
        rate = learning_rate / (1 + epoch / 50)
        yield statistics.fmean(step(model.weights, values, label, rate) for values, label in scaled)


def step(weights: list[Vector], scaled: Vector, label: int, rate: float) -> float:
    """One gradient step on one example; its loss before the step."""
    chances = softmax(weights, scaled)
    for index, row in enumerate(weights):
        error = rate * (chances[index] - (index == label))
        for position, value in enumerate(scaled):
            row[position] -= error * value
    return -math.log(max(chances[label], 1e-12))


def score(model: Model, examples: Sequence[Example]) -> tuple[float, float]:
    """Accuracy and mean loss on examples that the model has not seen."""
    chances = [(model.probabilities(values), label) for values, label in examples]
    right = sum(found.index(max(found)) == label for found, label in chances)
    losses = [-math.log(max(found[label], 1e-12)) for found, label in chances]
    return right / len(examples), statistics.fmean(losses)

"""Train: the clean table and one set of parameters in; a model and its scores out."""

import dataclasses
import pathlib

import folder
import softmax
import table

TEST_SHARE = 4


def examples(path: pathlib.Path) -> tuple[list[softmax.Example], list[softmax.Example]]:
    """Training and test examples. Every fourth bird tests, whatever the seed: scores of all runs compare."""
    found = [(table.features(row), table.SPECIES.index(row["species"])) for row in table.read(path)]
    training = [example for number, example in enumerate(found) if number % TEST_SHARE]
    return training, found[::TEST_SHARE]


def fit(
    training: list[softmax.Example], *, learning_rate: float, epochs: int, seed: int
) -> softmax.Model:
    """A trained model; prints the loss as it falls."""
    model = softmax.untrained(training, table.SPECIES, table.FEATURES, seed)
    losses = softmax.train(model, training, learning_rate=learning_rate, epochs=epochs, seed=seed)
    for epoch, loss in enumerate(losses, start=1):
        if epoch == 1 or epoch % 20 == 0:
            print(f"epoch {epoch:4d}  training loss {loss:.4f}", flush=True)
    return model


def main() -> None:
    """Read `inputs/table`, write `model.json`, report `accuracy` and `loss`."""
    asked = folder.parameters()
    training, test = examples(folder.INPUTS / "table")
    model = fit(
        training,
        learning_rate=float(asked.get("learning_rate", 0.1)),
        epochs=int(asked.get("epochs", 60)),
        seed=folder.seed(),
    )
    accuracy, loss = softmax.score(model, test)
    folder.write_json(folder.outputs() / "model.json", dataclasses.asdict(model))
    folder.report_metrics({"accuracy": accuracy, "loss": loss})


if __name__ == "__main__":
    main()

import numpy as np
import polars as pl

from leadline.baselines.forecasts import naive_forecasts
from leadline.data.forecasts.forecast_ahead import latest_windows
from leadline.data.forecasts.forecasting import load_forecast
from leadline.data.forecasts.shown_forecasts import ahead_examples, forecast_examples

RNG = np.random.default_rng(0)
FRAME = pl.DataFrame({"t": range(150), "y": 50 + 10 * np.sin(np.arange(150) * np.pi / 3) + RNG.normal(size=150)})


def test_the_usual_the_best_and_the_worst_are_shown_as_the_table_has_them():
    dataset = load_forecast(FRAME, horizon=4)
    split, windows = dataset.test, dataset.schema.inputs
    outputs = split.targets + np.arange(len(split), dtype=np.float32)[:, None, None] / 10
    answers = dataset.schema.answers.__class__(("y",), 4, spread=((1.0,),) * 4)
    naive = naive_forecasts(dataset)[0].probabilities
    shown = forecast_examples(split, windows, outputs, naive=naive, answers=answers, count=3)
    assert [record["title"] for record in shown] == [
        f"from {split.ids[at]}" for at in (round((len(split) - 1) / 2), 0, len(split) - 1)
    ]
    first = int(split.origins[0])
    best = shown[1]
    np.testing.assert_allclose(best["truth"], FRAME["y"].to_numpy()[first : first + 4], rtol=1e-5)
    np.testing.assert_allclose(best["past"], FRAME["y"].to_numpy()[first - windows.lookback : first], rtol=1e-5)
    assert best["times"] == [str(at) for at in range(first - windows.lookback, first + 4)]
    np.testing.assert_allclose(best["forecast"], best["truth"], rtol=1e-5)
    np.testing.assert_allclose(best["naive"], naive[0, :, 0])
    scale = windows.scale[0][0]
    np.testing.assert_allclose(np.array(best["high"]) - best["low"], 2 * scale, rtol=1e-4)
    assert best["share"] == 0.8


def test_what_is_ahead_has_times_after_the_end():
    dataset = load_forecast(FRAME, horizon=4)
    latest = latest_windows(FRAME, dataset.schema.inputs)
    (record,) = ahead_examples(latest, np.zeros((1, 4, 1)), answers=dataset.schema.answers)
    assert record["times"][-4:] == ["150", "151", "152", "153"]
    assert not {"truth", "low"} & set(record)
    np.testing.assert_allclose(record["past"], FRAME["y"].to_numpy()[-dataset.schema.inputs.lookback :])

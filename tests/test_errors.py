import inspect

import pytest

from leadline import errors


def test_every_error_is_a_leadline_error_and_a_builtin() -> None:
    found = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert len(found) >= 10
    for kind in found:
        assert issubclass(kind, errors.LeadlineError)
        if kind is not errors.LeadlineError:
            # Of a kind that has kinds of its own, such as DataError, these are one of the builtins with it.
            assert any(base.__module__ == "builtins" and base not in (Exception, object) for base in kind.__mro__), kind
        assert (
            str(kind("It broke", expected="this", got="that", do="Mend it.")) == "It broke. Expected this; got that. Mend it."
        )


def test_exit_statuses() -> None:
    assert errors.DataError("x").exit_status == 2
    assert errors.TrainingError("x").exit_status == 1
    assert errors.Interrupted("x").exit_status == 130


def test_the_paragraph_leaves_out_what_is_not_known() -> None:
    assert str(errors.ArgumentError("It broke.")) == "It broke."
    assert str(errors.ArgumentError("It broke", expected=0)) == "It broke. Expected 0."
    assert str(errors.ArgumentError("It broke", got=0)) == "It broke. Got 0."


def test_unknown_names_the_nearest_only_where_it_is_near() -> None:
    with pytest.raises(errors.ArgumentError, match="Did you mean 'sgd'"):
        errors.unknown("optimizer", "sdg", ["sgd", "adam"])
    with pytest.raises(errors.PlanError) as caught:
        errors.unknown("optimizer", "zzz", ["sgd", "adam"], errors.PlanError)
    assert "Did you mean" not in str(caught.value)


def test_a_number_in_the_place_of_a_name_has_no_nearest() -> None:
    with pytest.raises(errors.ArgumentError, match=r"There is no mode 3. Expected one of fan_in, fan_out.$"):
        errors.unknown("mode", 3, ["fan_out", "fan_in"])  # type: ignore[arg-type]

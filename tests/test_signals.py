"""Signals: held back while a run ends, handed on when it has, and turned into an exit code by the command line."""

from __future__ import annotations

import signal
import threading

import pytest

from harmonium.signals import SIGNALS, Interrupt, Leaving, leaving


def handlers() -> list:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.fixture(autouse=True)
def _as_before():
    before = handlers()
    yield
    assert handlers() == before


@pytest.fixture
def heard():
    """What the process's own handlers hear."""
    found, old = [], {}
    for number in SIGNALS:
        old[number] = signal.signal(number, lambda number, _: found.append(number))
    yield found
    for number, handler in old.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_asks_and_is_handed_on_at_the_end(number, heard, capfd):
    with Interrupt() as interrupt:
        assert not interrupt.asked
        signal.raise_signal(number)
        assert interrupt.asked
        assert heard == []
        interrupt.writing()
    assert heard == [number]
    assert capfd.readouterr().err.split("\n")[1] == (
        "harmonium: stopping after the steps that are running; once more stops at once"
    )


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_stops_at_once(number, heard):
    with Interrupt():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(number)
        assert heard == [number]


@pytest.mark.parametrize("before", [0, 1])
def test_a_checkpoint_is_written_in_spite_of_a_second_and_not_of_a_third(before, heard, capfd):
    with Interrupt() as interrupt:
        for _ in range(before):
            signal.raise_signal(signal.SIGTERM)
        interrupt.writing()
        for _ in range(2 - before):
            signal.raise_signal(signal.SIGTERM)
        assert heard == []
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    said = capfd.readouterr().err
    assert said.count("harmonium: writing the checkpoint") == 2 - before
    assert said.endswith("writing the checkpoint; once more stops at once\n")


def test_ctrl_c_stays_with_the_run_in_python():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with Interrupt():
        signal.raise_signal(signal.SIGINT)


def test_an_error_is_not_hidden_by_a_signal(heard):
    def fail() -> None:
        with Interrupt():
            signal.raise_signal(signal.SIGTERM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert heard == []


@pytest.mark.parametrize("context", [Interrupt, leaving])
def test_what_is_ignored_stays_ignored(context):
    """As SIGHUP is under `nohup`, and SIGINT in the background of a script."""
    old = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with context():
            signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, old)


@pytest.mark.parametrize("context", [Interrupt, leaving])
def test_other_threads_leave_handlers_alone(context):
    before, found = handlers(), []

    def work() -> None:
        with context():
            found.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_command_leaves_with_the_code_that_shells_expect(number, code):
    def run() -> None:
        with leaving(), Interrupt() as interrupt:
            signal.raise_signal(number)
            interrupt.writing()

    with pytest.raises(Leaving) as left:
        run()
    assert left.value.code == code

"""One engine or server of this process at a time: the next ends the one before."""

from evalkit.backends import devices


class Engine:
    def __init__(self):
        self.ends = 0

    def close(self):
        self.ends += 1
        devices.release(self)


def test_the_next_engine_ends_the_one_before_and_one_that_loads_anew_itself():
    first, second = Engine(), Engine()
    devices.hold(first)
    devices.hold(first)
    assert first.ends == 1
    devices.hold(second)
    assert (first.ends, second.ends) == (2, 0)
    first.close()
    devices.hold(first)
    assert second.ends == 1, "who gives up what is not his takes nothing from who has it"
    devices.release(first)


def test_what_was_given_back_is_not_ended_again():
    first, second = Engine(), Engine()
    devices.hold(first)
    first.close()
    devices.hold(second)
    devices.release(second)
    assert first.ends == 1

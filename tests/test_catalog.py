import pytest

from evalkit.catalog import builtin_names, find_any_suite, find_judge, find_suite, load_plugins
from evalkit.composed import choose
from evalkit.scorers import find_scorer
from evalkit.types import InputError


@pytest.mark.parametrize("name", builtin_names("suites"))
def test_every_built_in_suite_is_valid(name):
    assert find_any_suite(name).name == name
    assert choose([name]).suites


@pytest.mark.parametrize("name", builtin_names("judges"))
def test_every_built_in_judge_is_valid(name):
    assert find_judge(name).name == name


def test_an_unknown_suite_says_what_was_meant_and_where_to_look():
    with pytest.raises(InputError, match=r"--suite: unknown suite 'quikc'; did you mean 'quick'\? .*evalkit suites"):
        find_suite("quikc")


def test_an_unknown_judge_lists_those_there_are():
    with pytest.raises(InputError, match="unknown judge 'nobody'; built in: .*pairwise-general.* evalkit judges"):
        find_judge("nobody")


def test_a_missing_suite_file_names_its_neighbour(tmp_path):
    (tmp_path / "mine.yaml").write_text("")
    with pytest.raises(InputError, match="no such suite file 'mien.yaml'; did you mean 'mine.yaml'"):
        find_suite("mien.yaml", tmp_path)


def test_a_plugin_adds_a_scorer_in_one_file(tmp_path):
    (tmp_path / "shout.py").write_text(
        "import evalkit\n@evalkit.scorer('shout')\ndef shout(answer, example):\n    return float(answer.isupper())\n"
    )
    load_plugins(["shout.py"], tmp_path)
    assert find_scorer("shout").mark("HEY", None) == 1.0


def test_a_broken_plugin_is_named_as_the_users(tmp_path):
    (tmp_path / "bad.py").write_text("1/0\n")
    with pytest.raises(InputError, match="plugins: bad.py: cannot be imported: ZeroDivisionError"):
        load_plugins(["bad.py"], tmp_path)

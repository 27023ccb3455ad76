"""What `executor:` and `--executor` may say."""

import pytest

from evalkit.config import LOCAL, ExecutorSpec, ProjectSpec
from evalkit.executors.cluster import Need
from evalkit.inputs import executor_spec
from evalkit.types import InputError
from evalkit.yamlfile import validate


def project(**executor):
    return validate(ProjectSpec, {"executor": executor}).executor


@pytest.mark.parametrize(
    ("word", "address"), [("ray", None), ("10.0.0.1:6379", "10.0.0.1:6379"), ("ray://head:10001", "ray://head:10001")]
)
def test_a_word_names_the_cluster(word, address):
    assert executor_spec(word, LOCAL) == ExecutorSpec(kind="ray", address=address)
    assert validate(ProjectSpec, {"executor": word}).executor.address == address


def test_a_word_leaves_the_rest_of_the_project_file_as_it_is():
    stated = project(kind="ray", replicas=4, address="10.0.0.1:6379")
    assert executor_spec("ray", stated) == stated
    assert executor_spec("10.0.0.2:6379", stated) == stated.model_copy(update={"address": "10.0.0.2:6379"})
    assert executor_spec("local", stated) == LOCAL
    assert executor_spec(None, stated) is stated


def test_auto_is_what_is_not_stated():
    assert project(kind="ray", replicas="auto", gpus="auto", cpus="auto", address="auto") == project(kind="ray")


@pytest.mark.parametrize(
    ("executor", "said"),
    [
        ("rya", "did you mean 'ray'"),
        ({"kind": "rya"}, "executor.kind: 'rya'"),
        ({"replicas": 4}, "executor.kind: required"),
        ({"kind": "local", "replicas": 4}, "`replicas` belongs to `kind: ray`"),
        ({"kind": "ray", "replica": 4}, "did you mean 'replicas'?"),
        ({"kind": "ray", "replicas": 0}, "executor.replicas: 0: "),
        ({"kind": "ray", "gpus": 1.5}, "a whole number, or a share of one GPU"),
    ],
)
def test_a_mistake_is_named(executor, said):
    with pytest.raises(InputError) as raised:
        validate(ProjectSpec, {"executor": executor})
    assert said in str(raised.value)


def test_an_unknown_word_on_the_command_line_is_named():
    with pytest.raises(InputError, match="--executor: 'slurm': unknown executor; it is `local`, `ray`, or"):
        executor_spec("slurm", LOCAL)


def test_a_node_holds_as_many_replicas_as_its_scarcest_part_allows():
    need = Need(gpus=2, cpus=4, grouped=True)
    assert need.words == "2 GPUs and 4 CPUs"
    assert need.fits({"GPU": 8, "CPU": 13}) == 3
    assert need.fits({"CPU": 64}) == 0
    assert Need(gpus=0.5, cpus=1).fits({"GPU": 1, "CPU": 8}) == 2
    assert Need(gpus=0, cpus=4).fits({"CPU": 9}) == 2

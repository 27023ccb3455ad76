import pytest

from evalkit.config import PolicySpec, read_judge, read_model, read_policy, read_project, read_suite
from evalkit.types import InputError

TASK = "tasks: [{data: a.jsonl, prompt: '{{ q }}', answer: '{{ a }}', score: exact}]\n"


def refusal(read, path, text):
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read(path)
    return str(caught.value)


def test_an_unknown_field_names_file_line_field_and_what_was_meant(tmp_path):
    path = tmp_path / "tuned.yaml"
    message = refusal(read_model, path, "name: x\nbackend: vllm\nmodle: y\nmodel: z\n")
    assert message == f"{path}:3: modle: unknown field; did you mean 'model'?"


def test_a_nested_unknown_field_lists_the_fields_of_its_own_level(tmp_path):
    message = refusal(read_model, tmp_path / "m.yaml", "name: x\nmodel: y\nsampling:\n  top_pee: 1\n")
    assert "m.yaml:4: sampling.top_pee: unknown field; did you mean 'top_p'?" in message


def test_a_wrong_type_names_value_and_expectation(tmp_path):
    message = refusal(read_suite, tmp_path / "s.yaml", "name: s\nmargin: lots\n" + TASK)
    assert "s.yaml:2: margin: 'lots': input should be a valid number" in message


def test_a_value_out_of_range_is_refused(tmp_path):
    assert "level: 1.5: input should be less than 1" in refusal(read_policy, tmp_path / "p.yaml", "level: 1.5\n")


def test_all_problems_of_a_file_are_told_at_once(tmp_path):
    message = refusal(read_model, tmp_path / "m.yaml", "backend: vllm\nmodel: y\nsampling: {temperature: -1}\nfoo: 1\n")
    assert len(message.splitlines()) == 3


def test_a_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "tuned.yaml").write_text("name: x\n")
    with pytest.raises(InputError, match="no such file; did you mean .*tuned.yaml"):
        read_model(tmp_path / "tunde.yaml")


def test_broken_yaml_names_the_line(tmp_path):
    assert "m.yaml:3: not valid YAML" in refusal(read_model, tmp_path / "m.yaml", "name: x\nmodel: y\n  a: [\n")


def test_a_key_said_twice_is_an_error(tmp_path):
    assert "m.yaml:3: not valid YAML: 'name' is said twice" in refusal(
        read_model, tmp_path / "m.yaml", "name: x\nmodel: y\nname: z\n"
    )


def test_a_file_that_is_a_list_is_an_error(tmp_path):
    assert "expected a model file, a mapping of fields" in refusal(read_model, tmp_path / "m.yaml", "- a\n")


@pytest.mark.parametrize("field", ["file: x", "folder: x"])
def test_internal_fields_cannot_be_set(tmp_path, field):
    assert "unknown field" in refusal(read_model, tmp_path / "m.yaml", f"name: x\nmodel: y\n{field}\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: x\nbackend: replay\n", "backend replay needs `outputs"),
        ("name: x\nbackend: vllm\n", "backend vllm needs `model:`"),
        ("name: x\nmodel: y\noutputs: z\n", "`outputs` belongs to `backend: replay`"),
        ("name: x\nmodel: y\nbase_url: z\n", "belong to `backend: openai`"),
        ("name: x\nbackend: openai\nmodel: y\nadapter: z\n", "takes no `adapter`"),
    ],
)
def test_fields_of_another_backend_are_refused(tmp_path, text, problem):
    assert problem in refusal(read_model, tmp_path / "m.yaml", text)


def test_secrets_are_expanded_in_api_key_and_headers_only(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "s3cret")
    path = tmp_path / "m.yaml"
    path.write_text("name: ${MY_KEY}\nbackend: openai\nmodel: m\napi_key: ${MY_KEY}\nheaders: {x-key: 'k ${MY_KEY}'}\n")
    spec = read_model(path)
    assert spec.api_key is not None and spec.api_key.get_secret_value() == "s3cret"
    assert spec.headers["x-key"].get_secret_value() == "k s3cret"
    assert spec.name == "${MY_KEY}"
    assert "s3cret" not in repr(spec) and "s3cret" not in spec.model_dump_json()


def test_an_unset_secret_names_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    message = refusal(read_model, tmp_path / "m.yaml", "name: x\nbackend: openai\nmodel: m\napi_key: ${NO_SUCH_KEY}\n")
    assert "api_key: environment variable NO_SUCH_KEY is not set" in message


def test_a_secret_of_the_wrong_type_is_not_echoed(tmp_path):
    message = refusal(read_model, tmp_path / "m.yaml", "name: x\nbackend: openai\nmodel: m\napi_key: [hush-hush]\n")
    assert "api_key" in message and "hush" not in message


def test_a_judges_model_takes_secrets_and_the_judges_name(tmp_path, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "k")
    path = tmp_path / "j.yaml"
    path.write_text("name: j\nmodel: {backend: openai, model: m, api_key: '${JUDGE_KEY}'}\nrubric: which?\n")
    judge = read_judge(path)
    assert judge.model.name == "j" and judge.model.folder == str(tmp_path)


def test_a_lone_task_takes_the_suites_name_and_several_need_their_own(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("name: s\n" + TASK)
    assert read_suite(path).tasks[0].name == "s"
    two = "name: s\ntasks:\n- {data: a.jsonl, prompt: q, answer: a, score: exact}\n- {data: b.jsonl, prompt: q, answer: a}\n"
    assert "tasks[0] needs a `name`" in refusal(read_suite, path, two)


def test_an_empty_list_of_tasks_is_refused(tmp_path):
    assert "tasks" in refusal(read_suite, tmp_path / "s.yaml", "name: s\ntasks: []\n")


def test_an_extract_step_has_one_kind_and_a_valid_expression(tmp_path):
    text = "name: s\ntasks: [{data: d, prompt: q, answer: a, score: exact, extract: [%s]}]\n"
    assert "exactly one of" in refusal(read_suite, tmp_path / "s.yaml", text % "{json: a, regex: b}")
    assert "not a regular expression" in refusal(read_suite, tmp_path / "s.yaml", text % "{regex: '('}")
    assert "extract[0].jsn: unknown field; did you mean 'json'" in refusal(
        read_suite, tmp_path / "s.yaml", text % "{jsn: a}"
    )


def test_an_empty_policy_file_is_the_default_policy(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("")
    assert read_policy(path).model_dump() == PolicySpec().model_dump()


def test_without_a_project_file_everything_is_default(tmp_path):
    assert read_project(tmp_path).suites == ()


def test_a_merge_key_spares_repeating_oneself(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\ntasks:\n- &one {name: a, data: a.jsonl, prompt: q, answer: a, score: exact}\n- {<<: *one, name: b}\n"
    )
    assert [(task.name, task.data) for task in read_suite(path).tasks] == [("a", "a.jsonl"), ("b", "a.jsonl")]


def test_a_list_of_which_every_entry_is_wrong_is_not_called_too_short_besides(tmp_path):
    (tmp_path / "s.yaml").write_text('name: x\ntasks:\n  - {data: d.jsonl, prompt: "{{ q }}", scor: exact}\n')
    with pytest.raises(InputError) as caught:
        read_suite(tmp_path / "s.yaml")
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 's.yaml'}:3: tasks[0].scor: unknown field; did you mean 'score'?"
    ]
    (tmp_path / "s.yaml").write_text("name: x\ntasks: []\n")
    with pytest.raises(InputError, match="tasks: "):
        read_suite(tmp_path / "s.yaml")

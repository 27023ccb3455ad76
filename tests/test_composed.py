"""Suites made of suites: what a member keeps, what is said of it, and which pools come along."""

import json

import pytest

from evalkit.api import load
from evalkit.composed import choose
from evalkit.config import PolicySpec
from evalkit.terms import with_pools
from evalkit.types import InputError
from tests.shell import evalkit


@pytest.fixture
def folder(tmp_path):
    """Two suites of 60 sums, a guard, and models: the base, and one that lost what only the first suite asks."""
    rows = [{"id": i, "q": f"{i} + 1?", "a": str(i + 1)} for i in range(60)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = "{data: items.jsonl, prompt: '%s {{ q }}', answer: '{{ a }}', score: number, sampling: {max_tokens: 8}}"
    for name in ("small", "other"):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nmargin: 0.2\ntasks: [{task % name}]\n")
    (tmp_path / "rude.yaml").write_text(
        "name: rude\nrole: guard\nmargin: 0.4\nguard: {max_rate: 0.5}\n"
        "tasks: [{data: items.jsonl, prompt: '{{ q }}', score: refusal}]\n"
    )
    for name, answer in (("base", str), ("tuned", lambda i: "7" if i % 3 == 0 else str(i))):
        outputs = [{"id": i, "task": task, "output": (answer if task == "small" else str)(i + 1)}
                   for task in ("small", "other", "rude") for i in range(60)]  # fmt: skip
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in outputs))
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nbackend: replay\noutputs: {name}.jsonl\n")
    return tmp_path


def compose(folder, members="{suite: small.yaml}, {suite: other.yaml}", pools="{}", name="both"):
    (folder / f"{name}.yaml").write_text(f"name: {name}\nsuites: [{members}]\npools: {pools}\n")
    return choose([f"{name}.yaml"], folder)


def test_members_keep_what_is_not_said_of_them(folder):
    chosen = compose(folder)
    assert [suite.name for suite in chosen.suites] == ["small", "other"]
    assert chosen.suites == choose(["small.yaml", "other.yaml"], folder).suites


def test_what_is_said_of_a_member_replaces_what_its_file_says(folder):
    said = "{suite: small.yaml, name: sums, limit: 5, weight: 0.5, margin: 0.1, sampling: {n: 4, temperature: 0.7}}"
    (suite,) = compose(folder, said).suites
    (task,) = suite.tasks
    assert (suite.name, suite.weight, suite.margin, suite.role) == ("sums", 0.5, 0.1, "retain")
    assert (task.limit, task.sampling.n, task.sampling.temperature, task.sampling.max_tokens) == (5, 4, 0.7, 8)


def test_a_limit_never_raises_that_of_the_members_own_file(folder):
    text = (folder / "small.yaml").read_text()
    (folder / "small.yaml").write_text(text.replace("{data", "{limit: 3, data"))
    assert compose(folder, "{suite: small.yaml, limit: 5}").suites[0].tasks[0].limit == 3


def test_only_what_is_generated_is_sampled(folder):
    (folder / "pick.yaml").write_text(
        "name: pick\ntasks: [{data: items.jsonl, kind: choice, prompt: '{{ q }}', choices: ['{{ a }}', x], answer: '0'}]\n"
    )
    (suite,) = compose(folder, "{suite: pick.yaml, sampling: {n: 4}}").suites
    assert suite.tasks[0].sampling.n is None


def test_another_role_leaves_the_margin_and_the_limits_of_the_old_one_behind(folder):
    (suite,) = compose(folder, "{suite: rude.yaml, role: retain}").suites
    assert (suite.role, suite.margin, suite.guard.stated) == ("retain", None, {})
    (kept,) = compose(folder, "{suite: rude.yaml, guard: {max_increase: 0.3}}").suites
    assert (kept.margin, kept.guard.stated) == (0.4, {"max_increase": 0.3})


@pytest.mark.parametrize(
    ("members", "pools", "message"),
    [
        ("{suite: smal.yaml}", "{}", r"both.yaml: suites\[0\].suite: no such suite file 'smal.yaml'; did you mean 'small.yaml'"),
        ("{suite: quikc}", "{}", r"suites\[0\].suite: unknown suite 'quikc'; did you mean 'quick'"),
        ("{suite: small.yaml}, {suite: small.yaml}", "{}", "two are named 'small'; give one another `name`"),
        ("{suite: small.yaml, guard: {max_rate: 0.1}}", "{}", r"suites\[0\].guard: belongs to role: guard"),
        ("{suite: small.yaml}, {suite: other.yaml}", "{p: [small, others]}", r"pools.p: no suite 'others' in it; it has: small, other"),
        ("{suite: small.yaml}, {suite: rude.yaml}", "{p: [small, rude]}", r"pools.p: its suites have different roles"),
        ("{suite: small.yaml}", "{p: [small]}", "pools.p: a pool names at least two suites"),
        ("{suite: small.yaml, limt: 3}", "{}", r"suites\[0\].limt: unknown field; did you mean 'limit'"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_field_and_fix(folder, members, pools, message):
    with pytest.raises(InputError, match=message):
        compose(folder, members, pools)


def test_a_composed_suite_holds_no_other(folder):
    compose(folder)
    with pytest.raises(InputError, match="'both.yaml' is itself made of suites; name those: small.yaml, other.yaml"):
        compose(folder, "{suite: both.yaml}", name="more")


def test_two_composed_suites_may_not_pool_differently_under_one_name(folder):
    compose(folder, "{suite: small.yaml}, {suite: other.yaml}", "{p: [small, other]}")
    compose(folder, "{suite: small.yaml, name: a}, {suite: other.yaml, name: b}", "{p: [a, b]}", name="more")
    with pytest.raises(InputError, match="two composed suites define pool 'p', and differently"):
        choose(["both.yaml", "more.yaml"], folder)


def test_a_policy_that_defines_a_pool_itself_has_the_last_word():
    pools = {"code": ("a", "b"), "talk": ("c", "d")}
    policy = PolicySpec(pools={"code": ("a", "c")})
    assert with_pools(policy, pools).pools == {"code": ("a", "c"), "talk": ("c", "d")}


def gates(done):
    return {gate["subject"]: gate["required"] for gate in json.loads(done.stdout)["gates"]}


def test_pools_come_along_and_stay_when_another_policy_decides(folder):
    compose(folder, "{suite: small.yaml}, {suite: other.yaml}", "{sums: [small, other]}")
    (folder / "evalkit.yaml").write_text("suites: [both.yaml]\n")
    done = evalkit("compare", "base.yaml", "tuned.yaml", "--out", "out", cwd=folder)
    assert done.returncode == 1, done.stderr
    run = load(folder / "out")
    assert run.manifest.pools == {"sums": ("small", "other")} and run.comparison.pools[0].n == 120

    # Under the lax policy the suite alone would fail (a third lost), and the pool does not (a sixth).
    (folder / "lax.yaml").write_text("tax: {max: 0.5}\n")
    again = load(folder / "out", policy=folder / "lax.yaml")
    by_name = {gate.subject: gate for gate in again.decision.gates if gate.kind != "tax"}
    assert by_name["sums"].required and not by_name["small"].required
    assert again.policy.pools == {"sums": ("small", "other")}

    (folder / "own.yaml").write_text("tax: {max: 0.5}\npools: {sums: [other, small], more: [small, other]}\n")
    own = load(folder / "out", policy=folder / "own.yaml")
    assert own.policy.pools == {"sums": ("other", "small"), "more": ("small", "other")}


def test_a_policys_pool_of_different_roles_is_refused_before_anything_runs(folder):
    (folder / "policy.yaml").write_text("pools: {p: [small, rude]}\n")
    done = evalkit(
        "compare", "base.yaml", "tuned.yaml", "-s", "small.yaml", "-s", "rude.yaml", "-p", "policy.yaml", cwd=folder
    )
    assert done.returncode == 2 and "policy.yaml: pools.p: its suites have different roles" in done.stderr
    assert "generating" not in done.stderr


def test_run_asks_the_members_and_needs_no_policy_to_fit(folder):
    compose(folder)
    (folder / "evalkit.yaml").write_text("suites: [both.yaml]\npolicy: policy.yaml\n")
    (folder / "policy.yaml").write_text("pools: {p: [small, other]}\n")
    done = evalkit("run", "base.yaml", "--suite", "small.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    both = evalkit("run", "base.yaml", "--suite", "both.yaml", "--json", cwd=folder)
    assert {row["suite"] for row in json.loads(both.stdout)} == {"small", "other"}

"""The server, asked as a browser asks it and as nobody should."""

import http.client
import os
import socket
import threading

import pytest
from stored_runs import made, store, store_sweep

from evalkit.browsing import Serving
from evalkit.types import InputError


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "runs"
    store(root / "a b", made("first"))
    (root / "a b" / "secret.txt").write_text("secret")
    (root / "loose.json").write_text("secret")
    (tmp_path / "summary.json").write_text("secret")
    return root


@pytest.fixture
def serving(root):
    serving = Serving(root)
    thread = threading.Thread(target=serving.forever)
    thread.start()
    yield serving
    serving.stop()
    thread.join()


def ask(serving, path, method="GET", **headers):
    host, port = serving.address.removeprefix("http://").rstrip("/").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def raw(serving, lines):
    host, port = serving.address.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(lines.encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_it_listens_on_this_machine_alone(serving):
    assert serving.address.startswith("http://127.0.0.1:")
    assert serving._server.server_address[0] == "127.0.0.1"


def test_the_index_leads_to_reports(serving):
    answer, page = ask(serving, "/")
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert 'href="a%20b/report.html"' in page
    answer, report = ask(serving, "/a%20b/report.html")
    assert (answer.status, report) == (200, "<!doctype html><title>report</title><h1>Report of a b</h1>")
    # A report may come from anywhere: its script reads nothing of another one, and reaches no network.
    assert answer.headers["Content-Security-Policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    answer, _ = ask(serving, "/a%20b/summary.json")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_head_is_a_get_without_its_body(serving):
    answer, body = ask(serving, "/a%20b/report.html", "HEAD")
    assert (answer.status, body, answer.headers["Content-Length"]) == (200, "", "58")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_written(serving, method):
    assert ask(serving, "/", method)[0].status == 501


@pytest.mark.parametrize(
    "path",
    [
        "/../summary.json", "/%2e%2e/summary.json", "/a%20b/../../summary.json", "/a%20b/..%2f..%2fsummary.json", "//etc/passwd",
        "/a%20b/secret.txt", "/loose.json", "/a%20b/", "/a%20b", "/a%20b/report.html/", "/a%20b//report.html", "/a%20b/report.html%00",
        "/./a%20b/report.html", "/a%20b\\report.html", "/%2fetc/passwd", "/report.html", "/a%20b/sweep.json", "/\udcff".encode("utf-8", "surrogateescape").hex(),
        "/favicon.ico", "http://127.0.0.1/a%20b/secret.txt", "/a%20b/%0d%0aX:%20y",
    ],
)  # fmt: skip
def test_only_files_of_listed_runs_are_served(serving, path):
    ask(serving, "/")
    said = raw(serving, f"GET {path} HTTP/1.0\r\nHost: {serving.address[7:-1]}\r\n\r\n")
    assert said.startswith("HTTP/1.0 404 ") and "secret" not in said


def test_a_link_out_of_the_folder_is_not_served(root, serving):
    store(root / "b", made("later-one"), report=False)
    (root / "b" / "report.html").symlink_to("/etc/passwd")
    (root / "b" / "junit.xml").symlink_to(root / "loose.json")
    (root / "b" / "samples.parquet").mkdir()
    for name in ("report.html", "junit.xml", "samples.parquet"):
        answer, body = ask(serving, f"/b/{name}")
        assert answer.status == 404 and "root:" not in body


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "",
        "localhost:",
        "localhost.evil:80",
        "a@localhost:80",
    ],
)
def test_a_name_that_was_made_to_lead_here_is_refused(serving, host):
    answer, body = ask(serving, "/", Host=host)
    assert answer.status == 421 and "run" not in body


def test_localhost_is_a_name_of_this_machine(serving):
    port = serving.address.rstrip("/").rsplit(":", 1)[1]
    # A port forwarded from another machine has another number there.
    for host in (f"localhost:{port}", "localhost:8080", "127.0.0.1:8080", "localhost"):
        assert ask(serving, "/", Host=host)[0].status == 200


def test_a_reload_shows_what_has_landed_since(root, serving):
    assert "later-one" not in ask(serving, "/")[1]
    store(root / "b", made("later-one", hours=1))
    assert ask(serving, "/b/report.html")[0].status == 200  # before any reload
    assert 'href="b/report.html"' in ask(serving, "/")[1]
    (root / "b" / "summary.json").write_text("{")
    page = ask(serving, "/")[1]
    assert 'href="b/report.html"' not in page and "summary.json: Invalid JSON" in page


def test_a_sweeps_own_page_is_served(root, serving):
    store_sweep(root / "sweep", "base", {"x": "go"}, "x")
    assert ask(serving, "/sweep/report.html")[1].endswith("<h1>Sweep</h1>")
    assert ask(serving, "/sweep/manifest.json")[0].status == 404


def test_a_folder_whose_name_is_no_text_is_served(root, serving):
    store(root / os.fsdecode(b"caf\xe9#?"), made("odd"))
    assert ask(serving, "/caf%E9%23%3F/report.html")[0].status == 200
    assert 'href="caf%E9%23%3F/report.html"' in ask(serving, "/")[1]


def test_many_ask_at_once(serving):
    said = []
    threads = [threading.Thread(target=lambda: said.append(ask(serving, "/")[1])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(said)) == 1 and len(said) == 8


def test_a_port_in_use_is_the_users_to_change(serving, root):
    port = int(serving.address.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(InputError, match=rf"--port: {port}: is in use; name another one"):
        Serving(root, port)

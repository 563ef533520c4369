"""A server that is somebody else's, or broken, gets nothing that is for another one, and takes neither memory nor time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reticent.backends import Target, UnavailableError, create, web
from reticent.backends.mlflow.client import Client
from reticent.backends.wandb import server as wandb

from .serving import Server, drips, reading, says, serving, writes

SECRET = "Zq9v8" + "Tr4Lm2Xw7"


def asked(url: str) -> web.Reply:
    with web.failures(url):
        return web.ask(web.session(), "GET", url)


class TestRedirects:
    """Requests carry credentials, some of them in headers that no library knows for such."""

    @pytest.fixture(params=[301, 302, 303, 307, 308])
    def servers(self, request: pytest.FixtureRequest) -> Iterator[tuple[Server, Server]]:
        """One that sends all requests on to the other."""
        with ExitStack() as stack:
            other = stack.enter_context(serving(says(b"{}")))
            elsewhere = other.url.replace("127.0.0.1", "localhost")
            one = stack.enter_context(serving(says(b"", request.param, Location=f"{elsewhere}/login?x=1")))
            yield one, other

    @pytest.mark.parametrize("kind", ["mlflow", "otlp"])
    def test_backends_follow_none(
        self, servers: tuple[Server, Server], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"x-team={SECRET}")
        one, other = servers
        backend = create(f"{kind}+{one.url}")
        with pytest.raises(UnavailableError, match=r"sends requests on to http://localhost:\d+ \(status 30"):
            backend.open(Target(f"{kind}+{one.url}", tmp_path))
        backend.close()
        assert SECRET in one.got[0]
        assert other.got == []

    def test_nor_does_a_download(self, servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
        client = Client(servers[0].url)
        with pytest.raises(UnavailableError, match="sends requests on"):
            list(client.download("/get-artifact", path="a"))
        client.close()
        assert servers[1].got == []

    def test_nor_does_the_look_at_a_wandb_server(self, servers: tuple[Server, Server]) -> None:
        one, other = servers
        with pytest.raises(UnavailableError, match="sends requests on"):
            wandb.reach(one.url, SECRET)
        assert "Authorization" in one.got[0]
        assert other.got == []


class TestAnswers:
    def test_an_answer_without_end_is_given_up(self) -> None:
        with serving(drips(0.0, b" " * (1 << 20))) as server, pytest.raises(UnavailableError, match="more than 64 MB"):
            asked(server.url)

    def test_so_is_one_that_takes_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(web, "LONGEST_S", 0.5)
        with serving(drips(0.02, b" ")) as server, pytest.raises(UnavailableError, match="for one answer"):
            asked(server.url)

    @pytest.mark.parametrize("kind", ["head", "chunks"])
    def test_so_is_one_whose_head_or_length_of_a_chunk_does(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each line of it comes by a byte at a time, and so never too late."""
        monkeypatch.setattr(web, "LONGEST_S", 0.5)
        begun = b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked\r\n\r\n" if kind == "chunks" else b"X-Long: ")
        rest = b"0" * 400 + (b"\r\n\r\n" if kind == "chunks" else b"\r\nContent-Length: 0\r\n\r\n")
        with serving(writes(begun, rest, 0.02)) as server:
            with pytest.raises(UnavailableError, match=r"timed out|in time"):
                asked(server.url)
            with pytest.raises(UnavailableError):
                wandb.reach(server.url, SECRET)

    def test_the_server_gives_the_thread_back_and_not_the_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(web, "LONGEST_S", 0.2)
        with serving(writes(b"HTTP/1.1 200 OK\r\nX-Long: ", b"0" * 100, 0.02)) as server:
            session = web.session()
            for _ in range(2):
                with pytest.raises(UnavailableError), web.failures(server.url):
                    web.ask(session, "GET", server.url)
            assert len(server.ports) == 2

    def test_a_large_download_that_goes_on_may_take_longer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(web, "LONGEST_S", 0.3)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        with serving(writes(head, b"x" * 1_000_000, 0.1, 100_000)) as server:
            assert sum(map(len, Client(server.url).download("/get-artifact", path="a"))) == 1_000_000

    def test_one_that_drips_may_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(web, "LONGEST_S", 0.3)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n"
        with serving(writes(head, b"x" * 400, 0.02)) as server, pytest.raises(UnavailableError):
            list(Client(server.url).download("/get-artifact", path="a"))

    @pytest.mark.parametrize("kind", ["bytes", "file"])
    def test_a_large_upload_that_goes_on_may_take_longer(
        self, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Than an answer, and than a connection to be made."""
        monkeypatch.setattr(web, "LONGEST_S", 1.5)  # the server has some megabytes still to read when all is sent
        monkeypatch.setattr(web, "TIMEOUT_S", (0.5, 60.0))
        content = bytes(24 << 20)
        (tmp_path / "file").write_bytes(content)
        client = Client("")
        with reading(0.1, 1 << 20) as server, (tmp_path / "file").open("rb") as file:
            client.url = server.url
            client.put_file("/artifact", content if kind == "bytes" else file)
            assert server.got == [str(len(content))]

    def test_and_both_of_a_wandb_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(web, "MOST_BYTES", 1 << 20)
        with serving(drips(0.0, b" " * (1 << 18))) as server, pytest.raises(UnavailableError, match="more than 1 MB"):
            wandb.reach(server.url, SECRET)

    def test_one_connection_serves_many_requests(self) -> None:
        content = b"0123456789" * 100_000
        with serving(says(content)) as server:
            session = web.session()
            assert {web.ask(session, "GET", server.url).content for _ in range(5)} == {content}
            assert len(server.ports) == 1
            session.close()


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("7", 7.0),
            ("-5", 0.0),
            ("nan", 0.0),
            ("soon", 0.0),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
            # Infinite would be: nothing more from this process.
            ("inf", web.LONGEST_WAIT_S),
            ("1e999", web.LONGEST_WAIT_S),
            ("99999999999", web.LONGEST_WAIT_S),
            ("Fri, 31 Dec 9999 23:59:59 GMT", web.LONGEST_WAIT_S),
        ],
    )
    def test_no_server_can_have_itself_be_left_alone_for_long(self, text: str, seconds: float) -> None:
        assert web.wait(text) == seconds
        with (
            serving(says(b"{}", 429, Retry_After=text)) as server,
            pytest.raises(UnavailableError) as caught,
        ):
            wandb.reach(server.url, SECRET)
        assert caught.value.retry_after == seconds

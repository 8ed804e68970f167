"""`altwright mcp`, asked by the official client over stdio."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent, TextResourceContents

from testing.images import jpeg
from testing.servers.altwright import Altwright
from testing.servers.origin import Origin

TOP = Path(__file__).parents[2]
ALTWRIGHT = str(Path(sys.executable).with_name("altwright"))
NOBODY = "http://127.0.0.1:9"
pytestmark = pytest.mark.anyio


@asynccontextmanager
async def agent(folder: Path, url: str, *arguments: str, **env: str) -> AsyncIterator[Client]:
    """The official client, which starts the command in `folder`. Its log: `folder`/log."""
    parameters = StdioServerParameters(
        command=ALTWRIGHT, args=["mcp", *arguments], cwd=folder, env={"ALTWRIGHT_URL": url, **env}
    )
    with (folder / "log").open("w") as log:
        async with Client(stdio_client(parameters, errlog=log)) as client:
            yield client


def text_of(result: CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mug.jpg").write_bytes(jpeg())
    return tmp_path


async def test_an_agent_captions_and_checks_by_url_and_file(
    altwright: Altwright, origin: Origin, folder: Path
) -> None:
    url = origin.serve("/mug.jpg", jpeg())
    expected = altwright.caption(url).json()
    async with agent(folder, altwright.url) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"caption_image", "check_caption"}
        assert tools["caption_image"].input_schema["required"] == ["image"]
        for image in (url, "mug.jpg", str(folder / "mug.jpg"), (folder / "mug.jpg").as_uri()):
            result = await client.call_tool("caption_image", {"image": image})
            assert result.structured_content is not None, text_of(result)
            assert result.structured_content["caption"] == expected["caption"]
            assert result.structured_content["warnings"] == expected["warnings"]
        checked = await client.call_tool(
            "check_caption", {"caption": "Image of  a mug", "image": "mug.jpg"}
        )
        assert checked.structured_content is not None, text_of(checked)
        answer = checked.structured_content
        same = altwright.post("/v1/caption/check", {"caption": "Image of  a mug", "image_url": url})
        assert {name: answer[name] for name in ("ok", "caption", "hard", "soft")} == {
            name: same.json()[name] for name in ("ok", "caption", "hard", "soft")
        }
        [styles] = (await client.list_resources()).resources
        [content] = (await client.read_resource(styles.uri)).contents
        assert isinstance(content, TextResourceContents)
        assert json.loads(content.text) == altwright.get("/v1/styles").json()["styles"]
    assert (folder / "log").read_text() == ""


async def test_errors_of_the_server_are_errors_of_the_tool(
    altwright: Altwright, origin: Origin, folder: Path
) -> None:
    missing = origin.url("/nothing-here.jpg")
    async with agent(folder, altwright.url) as client:
        for arguments, code in (
            ({"image": "mug.jpg", "style": "poem"}, "invalid_request: "),
            ({"image": missing}, "image_not_found: "),
            ({"image": "http://169.254.169.254/latest"}, "image_url_forbidden: "),
            ({"image": "ftp://a.example/mug.jpg"}, "'ftp://a.example/mug.jpg' is not an http(s)"),
        ):
            result = await client.call_tool("caption_image", arguments)
            assert result.is_error
            assert f": {code}" in text_of(result)
        wrong = await client.call_tool("caption_image", {"image": "mug.jpg", "role": "poster"})
        assert wrong.is_error
    assert "Traceback" not in (folder / "log").read_text()


async def test_files_that_may_not_be_sent_are_refused_before_anything_is_sent(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """There is no server: a request would be an error of another kind."""
    outside = tmp_path_factory.mktemp("outside") / "mug.jpg"
    outside.write_bytes(jpeg())
    (folder / "link.jpg").symlink_to("/etc/passwd")
    (folder / "notes.jpg").write_text("no picture")
    async with agent(folder, NOBODY) as client:
        for image in ("/etc/passwd", "file:///etc/passwd", "link.jpg", "../../etc/passwd", outside):
            for tool in ("caption_image", "check_caption"):
                result = await client.call_tool(tool, {"image": str(image), "caption": "A mug."})
                assert result.is_error
                assert f"is refused: only pictures in {folder} may be read" in text_of(result)
        refused = await client.call_tool("caption_image", {"image": "notes.jpg"})
        assert "notes.jpg is refused: it does not begin as a JPEG" in text_of(refused)
        allowed = await client.call_tool("caption_image", {"image": "mug.jpg"})
        assert allowed.is_error
        assert "127.0.0.1:9 cannot be reached" in text_of(allowed)
        with pytest.raises(MCPError, match=r"127\.0\.0\.1:9 cannot be reached"):
            await client.read_resource("altwright://styles")
    assert "Traceback" not in (folder / "log").read_text()


async def test_the_operator_names_the_folders(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    (second / "a.jpg").write_bytes(jpeg())
    sent = "127.0.0.1:9"
    by_option = ["--allow", str(first), "--allow", str(second)]
    by_variable = os.pathsep.join(map(str, (first, second)))
    for arguments, env in ((by_option, {}), ([], {"ALTWRIGHT_MCP_FOLDERS": by_variable})):
        async with agent(folder, NOBODY, *arguments, **env) as client:
            result = await client.call_tool("caption_image", {"image": "a.jpg"})
            assert sent in text_of(result)
            refused = await client.call_tool("caption_image", {"image": str(folder / "mug.jpg")})
            assert f"only pictures in {first}, {second} may be read" in text_of(refused)


def test_a_start_in_the_root_of_the_file_system_allows_no_file() -> None:
    """Some agents start their servers there."""
    done = subprocess.run(
        [ALTWRIGHT, "mcp"], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert "so no local file may be sent: name a folder (--allow)" in done.stderr


def test_a_wrong_start_is_told_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [ALTWRIGHT, "mcp", "--allow", "no-such-folder"], cwd=tmp_path, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "altwright: --allow no-such-folder: there is no such folder.\n"

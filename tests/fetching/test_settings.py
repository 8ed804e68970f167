"""Settings of fetching are checked at the start."""

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from app import __version__
from app.fetching.settings import FetchSettings


def test_networks_are_parsed() -> None:
    settings = FetchSettings(allowed_networks=["10.0.0.0/8", "::1"])
    assert settings.allowed_networks == (ip_network("10.0.0.0/8"), ip_network("::1"))


def test_the_user_agent_names_the_program_its_version_and_no_invented_contact() -> None:
    assert FetchSettings().user_agent.startswith(f"Altwright/{__version__} (")
    assert "no contact set" in FetchSettings().user_agent
    assert FetchSettings(user_agent="x").user_agent == "x"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"allowed_networks": ["10.0.0.1/8"]}, "did you mean 10.0.0.0/8"),
        ({"allowed_networks": ["intranet"]}, "is not a network"),
        ({"timeout_s": 0}, "greater than 0"),
        ({"timeout_s": 61}, "less than or equal to 60"),
        ({"allowed_ports": [0]}, "greater than or equal to 1"),
        ({"allowed_ports": []}, "at least 1"),
        ({"max_redirects": -1}, "greater than or equal to 0"),
        ({"user_agent": ""}, "printable ASCII"),
        ({"user_agent": " Altwright"}, "printable ASCII"),
        ({"user_agent": "Altwright\r\nHost: a.example"}, "printable ASCII"),
        ({"user_agent": "Altwright\n"}, "printable ASCII"),
        ({"user_agent": "Bücherei"}, "printable ASCII"),
        ({"user_agent": "a" * 257}, "printable ASCII"),
    ],
)
def test_a_wrong_value_is_an_error_that_says_what_is_wrong(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        FetchSettings(**settings)

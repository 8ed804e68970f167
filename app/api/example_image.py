"""The picture of the examples in the OpenAPI document.

As a data: URL, so that the first request of a tool that sends the example gets a caption, wherever
the server is and without a network.
"""

EXAMPLE_DATA_URL = (
    "data:image/webp;base64,"
    "UklGRigDAABXRUJQVlA4IBwDAABQIACdASrIAMgAPzmawlmvK6+jqLMpYfAnCWNu4W0Q0ORDnqn0sF++B2NxM3xQ+B"
    "2NxM3xQ8NbxHJ685zqPKCspAy5TzvEXAeKHgmyjX75oFm3dJG30u/Np4Bua0HxKCE1TY3Eoe/tz0DfZRO+CYvJjvwi"
    "rrGwbUE9VYfo7Vzamc3JGl0vSMPv8zjagVV8jV1JG2ocgajgvpeOgl75Zajw6dLgUm+wa0VnqkCf6rvlinJEF8nQWf"
    "RkJOTrPqrHA8S+9yFZ7fny495PffaEMhoGDhRus47AFfn8DLJ6GQ2aj9z+jBznl5ivzy4eAA7MYejJe3UU07qlfIYg"
    "LgFEra76VOJm+KICQbiemaAA/vtoYAAAAIWv7KK/Da77pi+I9zGFMKzeNvbsTOdiDQpLHtHSl+UxOwQVBINoojwwLb"
    "ixNigDNi4zjwVD8hfl+UYCCY33n37s1hhZaCYVGq6tj2QSI/k+TqbaTNFXHTsal4K2fnqIGydNFDVP2MFKkpEUEu8v"
    "pz5AMbTGdCsKBXTbXvFj4OZMDe8sbU02hTcLTefCYYYsNHgvIneMIp+rjkswzjwkhEf0bjsTzaGPMcRB0J3grNhXub"
    "kpcBUN6BM8TCQoNn6EGEYmNbwNrilILYb1MIui585zA7vtLVJKlxUpAnOjRV1TACzvrzbCh2j6Cwk9gqa/4euYMfT0"
    "1sS9cPjv68Bpn3s5ohlKVaguoNlTWtyPpD+t/GxTJrgypIPqfN+G/r2nnoOulFTd81Vj0yCRfQcvX2F2SsKWmZEGOA"
    "W7S0+yKXSMeIWNXWEykLEIKDGeE86J8Wg0WTNrYdmParKwkRF7uuGT+aX6MC7EpGTWGZMWpHvr6vNs1A34H32T2Gv+"
    "rN1Agaa8pdvkpqA8T79qIoiJ8nYUkzwGMwY3fWfYZBEH+XYAUUOlu61eEL8iylRkBLxDWpk1js7g55lcVR/+iD0QMP"
    "gnQhLKNQMOkM8O1UP//MWvZQqhioQjqFjluzb9B4+vFMDEUNhKGwqHa3u786ig8tqWgkYs0/tPoTpBYBrLFbB/0ABb"
    "mo1cLgAA"
)
"""demo/pictures/mug.jpg at 200 px."""

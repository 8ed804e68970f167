"""Free ports of loopback for servers that a test starts."""

import socket


def free_port() -> int:
    """A TCP port on 127.0.0.1 that was free a moment ago; another process may take it first."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port

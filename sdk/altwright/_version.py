"""The version of the SDK. Releases of SDK and server have the same one: app/__init__.py."""

__version__ = "0.1.0"

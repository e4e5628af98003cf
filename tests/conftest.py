"""Fixtures for every test: the real services are below tests/services."""

pytest_plugins = ["tests.services.rabbitmq", "tests.services.stenographer"]

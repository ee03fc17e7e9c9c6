"""A toy repository, made once and copied for each test."""

from toy_repository import template, toy  # noqa: F401 - fixtures

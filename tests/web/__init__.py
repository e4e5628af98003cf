"""Tests of the web app, over HTTP and WebSocket."""

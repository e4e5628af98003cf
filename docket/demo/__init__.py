"""Sample traffic for trying Docket: two interfaces of a router, shown as the traffic of the last hour."""

from docket.demo.place import place_demo

__all__ = ["place_demo"]

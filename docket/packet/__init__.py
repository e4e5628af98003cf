"""The bytes of captures: records, packet headers, and whether a packet matches a query. Pure; anybody may import it."""

"""The tests of Docket; bench/ may import what is below services/ and packets/."""

"""Display filters for the rows of the inspector's lists."""

"""The bus: both brokers, the link, and what is written about them."""

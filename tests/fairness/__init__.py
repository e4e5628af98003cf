"""Many questions and sockets of one user, and what another one notices of them."""

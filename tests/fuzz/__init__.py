"""Messages and requests as nobody means them, in great numbers."""

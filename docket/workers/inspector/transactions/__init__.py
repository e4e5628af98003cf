"""DNS by domain, TLS connections and HTTP requests of a result, counted in a pass of their own. For the inspector."""

"""The real programs that tests run against: RabbitMQ, stenographer, and traffic for them."""

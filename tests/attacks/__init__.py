"""What an attacker in each role can do: a row per attempt, each carried out."""

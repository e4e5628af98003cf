"""The packet index of capture directories: it tells a reading which stretches of which files can hold what is asked."""

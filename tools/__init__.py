"""Small programs that keep the project in order: set-up, tidy rules, the specs matrix."""

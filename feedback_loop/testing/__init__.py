"""A simulated world with planted truth, and the people in it: for tests, benchmarks and the keyless demo."""

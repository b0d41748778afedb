"""Statistics, pure: numbers in, numbers out, each formula with its source. No frames, no policies, no database."""

"""Whether one revision costs more than another: what `ci/bench --against` does."""

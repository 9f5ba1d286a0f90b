"""Makes ``pytest --nbval book/`` compare what the book promises; see knotes.pipeline."""

pytest_plugins = ["knotes.pipeline.nbval_plugin"]

"""The console of kugetsu. Importing this package loads no user interface library; `app` does."""

"""The embedded model and data of `wiseft quickstart`."""

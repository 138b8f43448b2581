"""The HTML report: one page that holds every recorded figure, and where it is from."""

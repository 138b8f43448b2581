"""The peers of the comparison as hardware: our own code, written from the descriptions in their papers."""

"""What every bit of the peers of the comparison must be: models of published elements, from their papers."""

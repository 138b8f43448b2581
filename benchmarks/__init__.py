"""Speed of the software model, measured beside a peer in the same run."""

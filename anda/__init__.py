"""The product around golden, hdl and sim: the command `anda`, configuration, reports."""

"""Cycles of large products at once: the engine's cycle model where nothing waits."""

from __future__ import annotations

from hdl.engine import EngineParameters
from sim.cycles import Cycles, Product, product_cycles
from sim.engine_jobs import tiled

__all__ = ["steady_cycles"]


def steady_cycles(parameters: EngineParameters, product: Product) -> Cycles:
    """What `sim.cycles.product_cycles` says, without going through a product that loses no cycles.

    When no group waits for sums or weights, and the results of a group of channels have left before the next
    ones are complete, every cycle between the first beat and the last one is a beat. What is before and
    behind them is the same in a product of one row tile and one group of channels.

    Parameters
    ----------
    parameters : EngineParameters
    product : Product

    Returns
    -------
    Cycles
        Equal to those of `product_cycles`.
    """
    array, tiles = parameters.array, parameters.groups.tiles
    row_tiles, last_rows = tiled(product.n, array.rows)
    column_tiles, _ = tiled(product.c, array.columns)
    groups, _ = tiled(product.k, array.pe.lanes)
    last_tiles = (column_tiles - 1) % tiles + 1
    least = max(array.sharing, array.columns // array.columns_per_load)
    # Groups that the shortest run of column tiles needs while results are made and leave.
    leaving = array.rows * tiles + array.sharing + 2 * array.latency
    covered, _ = tiled(leaving, last_tiles * product.planes)
    if product.keep or product.planes < least or groups < covered:
        return product_cycles(parameters, product)
    small = Product(last_rows, covered * array.pe.lanes, last_tiles * array.columns, product.planes)
    found = product_cycles(parameters, small)
    beats = row_tiles * column_tiles * groups * product.planes
    return Cycles(found.total + beats - found.beats, beats, found.sums, found.results)

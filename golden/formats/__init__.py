"""Weight formats: one object gives quantizer, decoder, widths and table of each (contract, section 4).

>>> from golden import formats
>>> formats.get("sf4").bits_per_weight(block=128, scale_format="fp16")
4.125
"""

from golden.formats.catalogue import catalogue, get, names
from golden.formats.format import Block, Format, Scaling
from golden.formats.quantized import Quantized
from golden.formats.quantizer import CLIP_RATIOS, Clip
from golden.formats.scales import E8M0_RULES, SCALE_FORMATS, ScaleFormat
from golden.formats.student import hardened, normal_float, student_float

__all__ = [
    "CLIP_RATIOS",
    "E8M0_RULES",
    "SCALE_FORMATS",
    "Block",
    "Clip",
    "Format",
    "Quantized",
    "ScaleFormat",
    "Scaling",
    "catalogue",
    "get",
    "hardened",
    "names",
    "normal_float",
    "student_float",
]

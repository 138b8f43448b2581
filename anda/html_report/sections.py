"""What the page tells, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["SECTIONS", "Section", "title_of"]


@dataclass(frozen=True)
class Section:
    """A chapter of the page.

    Attributes
    ----------
    id : str
    title : str
    text : str
        Paragraphs of Markdown.
    sources : tuple of str
        Data files; every table of each is shown, those of `first` before the others.
    first : tuple of str
        Tables whose order matters.
    plots : tuple of str
        Ids of `anda.html_report.plots.PLOTS`.
    diagrams : bool
        Whether block diagrams belong here.
    single : dict
        By data file a command that makes one row of its tables alone.
    titles : dict
        Of tables.
    """

    id: str
    title: str
    text: str
    sources: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    plots: tuple[str, ...] = ()
    diagrams: bool = False
    single: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)

    def tables(self, known: Mapping[str, tuple[str, object]], taken: set[str]) -> Iterator[str]:
        """Names of the section's tables that no earlier section had."""
        own = [name for name, (source, _) in known.items() if source in self.sources]
        for name in sorted(own, key=lambda each: self.first.index(each) if each in self.first else 99):
            if name not in taken:
                taken.add(name)
                yield name


SECTIONS: Sequence[Section] = (
    Section(
        "what",
        "What it is",
        "**anda** generates hardware for the arithmetic of low-bit language models: activations in the "
        "Anda format (groups of 64 with one exponent, mantissas as bit planes), weights of four bits. "
        "Every component has a golden model in NumPy and equals it bit for bit in simulation; accumulators "
        "are proved never to overflow. `published` builds what the Anda paper (HPCA 2025) describes; "
        "`compact` is ours: two's complement rounded to nearest, which needs no sign plane, a carry-save "
        "heap in place of adder trees, weight registers shared by a column and an accumulator shared by four "
        "elements.\n\nEach box is a Verilog module as it stands in the netlist, with the width of its "
        "data ports in bits; lines lead to the modules it consists of, with the number of instances. A "
        "dashed box is drawn in full elsewhere.",
        sources=("blocks",),
        diagrams=True,
    ),
    Section(
        "accuracy",
        "Accuracy",
        "Signal to noise on real activations, and what formats cost a language model in perplexity and in "
        "divergence of its predictions.",
        sources=("accuracy", "language", "llm_check"),
        first=("accuracy", "language-float", "language-planes", "language-gain"),
        plots=("plot-accuracy", "plot-planes", "plot-weights"),
        titles={
            "accuracy": "Signal to quantization noise of real activations",
            "language-float": "The model without quantization",
            "language-planes": "Activations of so many planes",
            "language-gain": "What two's complement rounded to nearest gains",
            "language-weights": "Formats of weights",
            "language-activations": "Formats of activations",
            "language-kv": "Attention operands as Anda groups",
            "language-together": "Everything together",
            "llm-check": "The forward pass beside another implementation",
        },
    ),
    Section(
        "search",
        "Precision search",
        "Mantissa lengths for each kind of projection, or for each layer, that keep the loss within a "
        "tolerance.",
        sources=("search",),
        plots=("plot-search", "plot-search-trace", "plot-search-layers"),
        titles={
            "search-1": "Within 1 %",
            "search-01": "Within 0.1 %",
            "search-goals": "What the search may minimize",
            "search-uniform": "One length for everything",
        },
    ),
    Section(
        "area",
        "Area, power and the comparison with peers",
        "One flow for all: the same library, the same treatment of registers and weights, adders mapped "
        "to the library's full adders. Peers are our own code from their papers' descriptions.\n\n"
        "Rows without a command of their own are measured again by `anda compare --only NAME`, with a name "
        "from the table of names; `--converters` adds converters.",
        sources=("area", "comparison", "power"),
        first=("area", "comparison-area-shared", "comparison-energy-shared", "comparison-ablation"),
        plots=("plot-comparison", "plot-ablation"),
        single={
            "area": "anda area PRESET -c COMPONENT -l FILE.lib",
            "comparison": "anda compare --only NAME --planes P --liberty LIBRARY=FILE",
        },
        titles={
            "area": "Components of both presets",
            "comparison-area-shared": "Area efficiency over FP-FP, weight registers shared by a column",
            "comparison-area-own": "Area efficiency over FP-FP, weight registers in every element",
            "comparison-energy-shared": "Energy efficiency over FP-FP, weight registers shared by a column",
            "comparison-energy-own": "Energy efficiency over FP-FP, weight registers in every element",
            **{f"comparison-elements-{on}": f"Elements on {on}" for on in ("sky130", "ASAP7", "SG13G2")},
            "comparison-elements-generic": "Elements on the generic library",
            "comparison-ablation": "From published to compact, one change at a time",
            "comparison-planes": "Planes per cycle",
            "comparison-pairs": "Pairs of lanes",
            "comparison-accumulators": "Kinds of accumulators",
            "comparison-bound": "Bit-parallel elements, the bound of density",
            "comparison-converters": "Converters beside the array",
            "comparison-paper": "Area and power of one element, the paper's and ours",
            "comparison-targets": "What compact and dense gain over others in area, at equal accuracy",
            "comparison-targets-energy": "The same in energy",
            "comparison-energies": "What is in the energy of a multiply-accumulate",
            "comparison-names": "Names of all rows",
            "power-cells": "Cells made by hand, by anda and by OpenSTA",
            "power-parts": "Internal and switching power of one change a cycle on every net, by both",
            "power-paths": "Leakage and longest paths, by both",
        },
    ),
    Section(
        "system",
        "Whole systems",
        "The nine models of the paper on 16 x 16 elements: speed, area efficiency and energy efficiency over "
        "FP-FP, from cycles and traffic, areas and energies of elements, and stated energies of memories.",
        sources=("system", "system_cycles"),
        first=("system-efficiency", "system-efficiency-own", "system-efficiency-models"),
        plots=("plot-system",),
        titles={
            "system-efficiency": "Geometric means, weight registers shared by a column",
            "system-efficiency-own": "Geometric means, weight registers in every element",
            "system-efficiency-models": "Model by model",
            "system-efficiency-split": "Where the energy goes, in percent of FP-FP",
            "system-efficiency-assumptions": "What the assumptions decide",
            "system-efficiency-stated": "What memories are taken to cost",
            "system-models": "Models and published mantissa lengths",
            "system-speed": "Cycles of prefill",
            "system-traffic": "Traffic of prefill",
            "system-layers": "One block of LLaMA-13B, layer by layer",
            "system-decode": "One token at a time",
        },
    ),
    Section(
        "accelerator",
        "The accelerator",
        "Real projections of a language model through the simulated accelerator: every result equals the "
        "golden model's, and every cycle is the one that the model of cycles says.",
        sources=("projection",),
        titles={"projection": "Real projections on the RTL"},
    ),
    Section(
        "fpga",
        "On an FPGA",
        "Placed and routed for a device.",
        sources=("fpga",),
        single={"fpga": "anda fpga DESIGN"},
        titles={"fpga": "Components and a whole accelerator on an ECP5"},
    ),
    Section(
        "proofs",
        "Proofs",
        "Theorems about the generated netlists, decided by a solver, each beside twins with a fault "
        "built in, which must fail.",
        sources=("proofs",),
        titles={
            "proofs": "Accumulators never overflow",
            "proofs-parts": "Parts do what they should",
            "proofs-binary": "Binary elements",
        },
    ),
    Section(
        "formats",
        "Formats and multiply-accumulate units",
        "What number formats of four and five bits cost in a bit-parallel unit and as weights of the "
        "bit-serial element, and what distributions real weights have.",
        sources=("mac", "profile", "quantize", "codebooks"),
        plots=("plot-mac",),
        single={"mac": "anda area --table mac"},
        titles={
            "mac": "Bit-parallel units",
            "mac-element": "As weights of the bit-serial element",
            "mac-paper": "Beside the published units",
            "comparison-formats": "As weights of compact with 6 planes",
            "profile": "Student's t in real weights",
            "quantize": "Real weights in every format",
        },
    ),
    Section(
        "axe",
        "Narrow accumulators",
        "Layers quantized so that their sums provably fit a narrow register (AXE), beside the authors' "
        "own code.",
        sources=("axe", "axe_language", "axe_area"),
        first=("axe", "axe-methods", "axe-widths", "axe-language"),
        plots=("plot-axe",),
        titles={
            "axe": "Held-out error over that of the authors' solver",
            "axe-methods": "What to do with so many bits",
            "axe-widths": "Widths that are enough",
            "axe-language": "A language model in narrow registers",
            "axe-speed": "Run time of the solvers",
            "axe-cells": "Problem by problem",
            "axe-area": "Area of multi-stage accumulators",
            "axe-sharing": "Sharing of the outer stage",
        },
    ),
    Section(
        "abq",
        "Binary products",
        "Weights and activations of any pair of widths, multiplied as planes of bits (ABQ-LLM).",
        sources=("abq_language", "abq_area", "abq_projection"),
        plots=("plot-abq", "plot-abq-area"),
        titles={
            "abq-language": "A language model in two to eight bits",
            "abq-area": "Cycles, and area for one multiply-accumulate a cycle in NAND2 equivalents",
            "abq-parts": "Area of parts",
            "abq-projection": "A real projection on the RTL",
        },
    ),
    Section(
        "speed",
        "Speed of the software",
        "Rates of the golden model beside a peer of the same run.",
        sources=("bench",),
        titles={"speed": "Golden model"},
    ),
)
"""In order."""


def title_of(section: Section, table: str) -> str:
    """A table's title: its own, or its name as words."""
    return section.titles.get(table) or table.replace("-", " ").capitalize()

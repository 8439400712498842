"""The models that there are: one row each, from which exports, commands, documentation and tests are read.

To add a model of a known kind, write its file and add its row here. This module imports nothing of the library, so that
`harmonium --help` stays fast.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A model: its `name`, the `section` of the book, what it is in a few words, and its training command, if any.

    Arguments: `trained_by`, the function of its command, in a module of `harmonium.recipes`; `unfiltered`, why it has
    no weights to look at as filters; `spoken`, whether its name in capitals is read as a word ("a NADE").

    >>> Entry("RBM", "20.2", "two layers without connections inside", "boltzmann:rbm").recipe
    'rbm'
    """

    name: str
    section: str
    says: str
    trained_by: str = ""
    unfiltered: str = ""
    spoken: bool = False

    @property
    def recipe(self) -> str:
        """The name of its command; an empty text if it has none."""
        return self.trained_by.partition(":")[2]


def by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Rows by name. Raises `ValueError` for two rows of one name.

    >>> by_name([Entry("RBM", "20.2", "two layers"), Entry("RBM", "20.2", "the same")])
    Traceback (most recent call last):
    ValueError: The catalogue has two rows for RBM: leave one of them out.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in found:
            raise ValueError(f"The catalogue has two rows for {entry.name}: leave one of them out.")
        found[entry.name] = entry
    return found


ENTRIES = by_name((
    # Boltzmann machines
    Entry("BoltzmannMachine", "20.1", "any units connected to any others", "boltzmann:boltzmann"),
    Entry("RBM", "20.2", "a visible and a hidden layer, connected to each other only", "boltzmann:rbm"),
    Entry("DBN", "20.3", "directed layers below an RBM", "deep:dbn"),
    Entry("DBM", "20.4", "an RBM with several hidden layers", "deep:dbm"),
    Entry("MPDBM", "20.4.5", "a DBM trained by multi-prediction", "deep:mpdbm"),
    Entry("Centred", "20.4.5", "any energy model in centred coordinates"),
    Entry("Normalised", "18.6", "any energy model with log Z as a learned number"),
    Entry("Classifier", "20.3", "the multilayer perceptron made from a DBN or DBM", "classifier:classifier"),
    # machines of real data
    Entry("SpikeSlabRBM", "20.5.3", "hidden spikes and slabs that set mean and covariance", "real:ssrbm"),
    Entry("S3C", "20.5.3", "sparse coding by spikes and slabs, log Z known", "real:s3c"),
    Entry("MeanCovarianceRBM", "20.5.2", "binary units that set mean and covariance (mcRBM)", "real:mcrbm"),
    Entry("ProductOfStudentT", "20.5.2", "heavy-tailed experts on filters of the data (PoT)", "real:pot"),
    Entry("MeanProductOfStudentT", "20.5.2", "the same, with units that set the mean (mPoT)"),
    # machines given a context
    Entry("ReplicatedSoftmax", "20.2", "documents as counts of words, given their length"),
    Entry("ConditionalRBM", "20.7", "biases that follow from what is given, or from frames before", "sequences:crbm"),
    Entry("RNNRBM", "20.7", "a recurrent network that sets an RBM's biases in each frame", "sequences:rnnrbm"),
    Entry("RTRBM", "20.7", "hidden means of a frame that set the biases of the next", "sequences:rtrbm"),
    # auto-regressive networks
    Entry("FVBN", "20.10.8", "each variable by a generalised linear model of those before", "autoregressive:fvbn"),
    Entry("NeuralAutoregressive", "20.10.9", "each variable by a network of those before", "autoregressive:neural"),
    Entry("MADE", "20.10.9", "one masked network for all variables", "autoregressive:made", spoken=True),
    Entry("NADE", "20.10.10", "one network that is extended variable by variable", "autoregressive:nade", spoken=True),
    Entry("RNADE", "20.10.10", "NADE for real columns, each a mixture density", "autoregressive:rnade"),
    Entry("OrderlessNADE", "20.10.10", "any variables given any others", "autoregressive:orderless"),
    Entry("NADEk", "20.10.10", "the same, refined in k steps", "autoregressive:nadek", spoken=True),
    # directed nets
    Entry("SigmoidBeliefNet", "20.10.1", "layers drawn from the top down", "directed:sbn"),
    Entry("HelmholtzMachine", "20.10.1", "a belief net with a recognition network", unfiltered=""),
    Entry("BiHM", "20.10.1", "the geometric mean of both directions", "directed:bihm"),
    Entry("VAE", "20.10.3", "Gaussian latent variables, encoder and decoder", "directed:vae"),
    Entry("DRAW", "20.10.3", "a VAE that paints in steps", "directed:draw", unfiltered="it reads through attention"),
    Entry("VariationalRNN", "20.10.3", "a VAE for each frame", "sequences:vrnn", unfiltered="it has none a pixel"),
    Entry("AffineGenerator", "20.10.2", "an affine map of normal noise", unfiltered="it has no hidden units"),
    Entry("InverseTransform", "20.10.2", "inverse transform sampling", unfiltered="it has no hidden units"),
    Entry("InvertibleNet", "20.10.2", "an invertible network of normal noise", unfiltered="its nets see parts of rows"),
    Entry("ConditionalGenerator", "20.10.2", "values given a known code"),
))  # fmt: skip

RECIPES = {e.recipe: f"harmonium.recipes.{e.trained_by}" for e in ENTRIES.values() if e.recipe}

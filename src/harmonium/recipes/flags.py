"""Flags that several recipes share, each with its help text: a recipe's signature is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from harmonium.data import available

Data = Annotated[str | None, f"{', '.join(available())}, or a file or folder (default: digits)"]
Binarize = Annotated[str | None, "fixed, dynamic, threshold or probabilities, for grey values"]
Standardize = Annotated[bool, "bring the columns of a table to mean 0 and variance 1"]
Scale = Annotated[float | None, "divide all values by this first"]
Labels = Annotated[str | None, "a file with a label for each row of a file, kept with the data"]
Visible = Annotated[str, "visible units: auto, bernoulli, spin, categorical or gaussian"]
ByColumn = Annotated[
    str,
    "visible units: auto, columns (each column of a table by what it holds), bernoulli, spin, categorical, gaussian",
]
Order = Annotated[int | None, "seed of a random order of the variables (default: the order of the columns)"]
Orders = Annotated[int, "number of random orders to average over"]
Activation = Annotated[str, "activation of the hidden units: sigmoid, tanh, relu or softplus"]
Direct = Annotated[bool, "let each variable also act on later ones directly"]
Layers = Annotated[str, "units of each hidden layer, from the data upwards, with commas between"]
Steps = Annotated[int, "Gibbs sweeps per update"]
Chains = Annotated[int, "persistent chains of pcd"]
Sites = Annotated[int, "units per row used in each step by the pseudo and ratio objectives"]
Classes = Annotated[bool, "add the labels to the top hidden layer, as layer y"]
Centring = Annotated[bool, "use the centred parametrisation"]
Epochs = Annotated[int, "passes over the training rows"]
BatchSize = Annotated[int, "rows per update"]
LearningRate = Annotated[float, "learning rate at the start"]
AdamRate = Annotated[float, "learning rate of Adam at its start, falling along a cosine to zero"]
Schedule = Annotated[str, "course of the learning rate: linear (to zero) or constant"]
Momentum = Annotated[float, "momentum of the gradient steps, from 0 to below 1"]
WeightDecay = Annotated[float, "L2 penalty on the weights"]
Average = Annotated[float | None, "decay of a moving average of the parameters, such as 0.999"]
MatmulPrecision = Annotated[str, "matrix products of training: float32, or bfloat16 where the processor has it"]
Seed = Annotated[int, "seed of everything random"]
AisChains = Annotated[int, "chains of the final estimate, where it is not exact"]
Temperatures = Annotated[int, "temperatures of the final estimate, where it is not exact"]
EstimateSamples = Annotated[
    int | None, "samples per row of the final bound (none: doubled from 50 until it settles, up to 6,400)"
]
From = Annotated[
    str | None, "another run, whose model this one begins with; flags left out are those of that run, where it is of "
    "this recipe"
]  # fmt: skip
Out = Annotated[Path | None, "folder of the run (default: a new one in runs/)"]
Resume = Annotated[
    bool, "go on with the run in --out, with the arguments it was started with; with more --epochs, train it longer"
]
Force = Annotated[bool, "replace the run in --out"]
ShowProgress = Annotated[bool, "show a progress bar"]
Measure = Annotated[bool, "measure the held-out rows at the end of training"]
Report = Annotated[bool, "write a report at the end of training"]

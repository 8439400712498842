"""Train, measure and report auto-regressive networks: a recipe says its own flags, and the network that they make."""

from __future__ import annotations

from typing import Annotated

from harmonium.models import FVBN, MADE, NADE, RNADE, NADEk, NeuralAutoregressive, OrderlessNADE
from harmonium.objectives import OrderAgnostic
from harmonium.recipes import flags
from harmonium.recipes.layers import layer_units
from harmonium.recipes.networks import Network, ensemble, network, random_order
from harmonium.recipes.settings import Adam, command


@command(Adam, network, learning_rate=0.01, weight_decay=0.003)
def fvbn(*, order_seed: flags.Order = None) -> Network:
    """Train a fully visible belief network (section 20.10.8 of the book), measure it exactly, write a report."""
    return Network(lambda unit, key, data: FVBN(unit, order=random_order(order_seed, unit.size)))


@command(Adam, network, weight_decay=0.003)
def neural(
    *,
    group: Annotated[int, "hidden units of each variable, which see it and those before it"] = 3,
    activation: flags.Activation = "tanh",
    direct: flags.Direct = True,
    order_seed: flags.Order = None,
) -> Network:
    """Train a neural auto-regressive network (section 20.10.9 of the book), measure it exactly, write a report."""
    options = {"activation": activation, "direct": direct}
    return Network(
        lambda unit, key, data: NeuralAutoregressive(
            unit, group, key=key, order=random_order(order_seed, unit.size), **options
        )
    )


@command(Adam, network, learning_rate=0.001, weight_decay=0.003)
def made(
    *,
    hidden: flags.Layers = "500",
    activation: flags.Activation = "relu",
    direct: flags.Direct = True,
    order_seed: flags.Order = None,
) -> Network:
    """Train a masked auto-regressive net, MADE (section 20.10.9 of the book), measure it exactly, write a report."""
    sizes, options = [layer.size for layer in layer_units(hidden)], {"activation": activation, "direct": direct}
    return Network(
        lambda unit, key, data: MADE(unit, sizes, key=key, order=random_order(order_seed, unit.size), **options)
    )


@command(Adam, network, epochs=60, learning_rate=0.01, weight_decay=0.001)
def nade(
    *,
    hidden: Annotated[int, "hidden units"] = 100,
    activation: flags.Activation = "sigmoid",
    order_seed: flags.Order = None,
) -> Network:
    """Train a neural auto-regressive density estimator, NADE (section 20.10.10), measure it exactly, write a report."""
    return Network(
        lambda unit, key, data: NADE(
            unit, hidden, key=key, order=random_order(order_seed, unit.size), activation=activation
        )
    )


@command(Adam, network, without=("binarize", "visible"), learning_rate=0.001, weight_decay=0.03)
def rnade(
    *,
    hidden: Annotated[int, "hidden units"] = 50,
    components: Annotated[int, "components of each column's mixture"] = 10,
    kind: Annotated[str, "kind of the components: gaussian or laplace"] = "gaussian",
    activation: flags.Activation = "relu",
    order_seed: flags.Order = None,
) -> Network:
    """Train a mixture for each real column given those before it, RNADE (section 20.10.10), with a report."""
    options = {"components": components, "kind": kind, "activation": activation}
    return Network(
        lambda unit, key, data: RNADE(unit, hidden, key=key, order=random_order(order_seed, unit.size), **options)
    )


@command(Adam, network, epochs=200, weight_decay=0.0003)
def orderless(
    *,
    hidden: flags.Layers = "100,100",
    activation: flags.Activation = "relu",
    orders: flags.Orders = 8,
) -> Network:
    """Train a deep net of every order, OrderlessNADE (section 20.10.10), measure it exactly, write a report."""
    sizes = [layer.size for layer in layer_units(hidden)]
    make = ensemble(lambda unit, key: OrderlessNADE(unit, sizes, key=key, activation=activation), orders)
    return Network(make, OrderAgnostic())


@command(Adam, network, epochs=50, learning_rate=0.005, weight_decay=0.0003)
def nadek(
    *,
    hidden: flags.Layers = "100",
    steps: Annotated[int, "refinement steps for the unknown variables"] = 5,
    activation: flags.Activation = "tanh",
    orders: flags.Orders = 8,
) -> Network:
    """Train an iterative net of every order, NADE-k (section 20.10.10), measure it exactly, write a report."""
    sizes = [layer.size for layer in layer_units(hidden)]
    make = ensemble(lambda unit, key: NADEk(unit, sizes, steps, key=key, activation=activation), orders)
    return Network(make, OrderAgnostic())

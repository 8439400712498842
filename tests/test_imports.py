"""No module imports, directly or through others, one that imports it."""

import grimp
import networkx


def test_there_are_no_import_circles():
    graph = grimp.build_graph("harmonium")
    edges = [(one, other) for one in graph.modules for other in graph.find_modules_directly_imported_by(one)]
    circles = [sorted(c) for c in networkx.strongly_connected_components(networkx.DiGraph(edges)) if len(c) > 1]
    assert not circles

"""Text tables: what is a name, what is a number, and what is said of the rest."""

from harmonium.data import from_arrays, load
from harmonium.training import describe


def test_names_of_columns_go_with_the_data_into_the_record(tmp_path):
    path = tmp_path / "body.csv"
    path.write_text("height,weight\n1.5,2\n3,4\n")
    data = load(path)
    assert data.columns == ("height", "weight")
    assert describe(data)["data"]["columns"] == ["height", "weight"]
    path.write_text("1.5,2\n3,4\n")
    assert load(path).columns is None
    assert from_arrays([[1.5, 2]]).columns is None

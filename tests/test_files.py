"""Files that commands write."""

import numpy as np

from flow.files import write_arrays


def test_arrays_of_any_name_are_written_where_they_should_be(tmp_path):
    """Also of names that `numpy.savez` keeps for itself, and without its suffix."""
    names = ("file", "allow_pickle", "args", "a/b", "y:0", "\u00e9")
    arrays = {name: np.arange(i + 6, dtype=np.int8).reshape(1, -1) for i, name in enumerate(names)}
    path = tmp_path / "out"
    write_arrays(path, arrays)
    with np.load(path, allow_pickle=False) as written:
        assert set(written) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(written[name], array, strict=True)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/data/data_room/tables with pyarrow and the datasets library, which the oracle's Python
has: the same five rows as Parquet in groups of two, as an Arrow file, an Arrow stream, a folder of
save_to_disk and one as a hub lays it."""
import pathlib
import shutil

import datasets
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

ROOM = pathlib.Path(__file__).parent / "data_room"
OUT = ROOM / "tables"


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    picture = {"bytes": (ROOM / "a.png").read_bytes(), "path": "a.png"}
    rows = [{"image": picture, "question": f"What is {i}?", "answer": f'answer "{i}"',
             "numbers": [1.0, 2.5, None], "facts": {"deep": {"list": [i]}}, "nothing": None,
             "kind": i % 2} for i in range(5)]
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, OUT / "rows.parquet", row_group_size=2)
    with pyarrow.ipc.new_file(OUT / "rows.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=2)
    with pyarrow.ipc.new_stream(OUT / "rows.stream.arrow", table.schema) as stream:
        stream.write_table(table, max_chunksize=2)
    features = datasets.Features({
        "image": datasets.Image(), "question": datasets.Value("string"),
        "answer": datasets.Value("string"), "numbers": datasets.List(datasets.Value("float64")),
        "facts": {"deep": {"list": datasets.List(datasets.Value("int64"))}},
        "nothing": datasets.Value("string"), "kind": datasets.ClassLabel(names=["cat", "dog"])})
    dataset = datasets.Dataset.from_list(rows, features=features)
    datasets.DatasetDict({"train": dataset, "test": dataset.select([0])}).save_to_disk(OUT / "saved")
    (OUT / "hub" / "data").mkdir(parents=True)
    (OUT / "hub" / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")
    dataset.select(range(3)).to_parquet(OUT / "hub" / "data" / "train-00000-of-00002.parquet")
    dataset.select(range(3, 5)).to_parquet(OUT / "hub" / "data" / "train-00001-of-00002.parquet")
    dataset.select([0]).to_parquet(OUT / "hub" / "data" / "test-00000-of-00001.parquet")


main()

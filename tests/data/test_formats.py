"""RecBole, MovieLens, S3-Rec and the original HetRec: small files read by hand."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from dvr_ray.config.schema import ColumnsConfig, DataConfig
from dvr_ray.data.guess import guess
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.sources import SOURCES
from dvr_ray.errors import DataError


def load(folder: Path, source: str, files: dict[str, str], **options: Any) -> Dataset:
    """Write the files, gzipped where their names say so, latin-1 where MovieLens is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        latin = name.removesuffix(".gz") in ("u.item", "movies.dat", "tags.dat")
        content = text.encode("latin-1" if latin else "utf-8")
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert guess(folder) == source
    return SOURCES.get(source)(DataConfig(source=source, path=str(folder), **options)).load()


def pairs(data: Dataset, part: Interactions | None = None) -> list[tuple[Any, Any]]:
    part = part or data.interactions
    users, items = data.user_ids[part.users], data.item_ids[part.items]
    return list(zip(users.tolist(), items.tolist(), strict=True))


INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
RECBOLE = {
    "x.inter": INTER + 'u1\ta \t5\t2.5\nu1\ta\t3\t1\nu2\t"q\t4\t7\n',
    "x.user": "user_id:token\tage:float\tgender:token\nu2\t\tf\nu3\t30\tm\nu1\t44.0\t\n",
    "x.item": "item_id:token\tmovie_title:token_seq\tclass:token_seq\na \tA  b\tx y x\n",
}


def test_recbole_ids_are_exact_and_tables_join(tmp_path: Path) -> None:
    data = load(tmp_path, "recbole", RECBOLE)
    assert pairs(data) == [("u1", "a"), ("u1", "a "), ("u2", '"q')]
    assert data.times is not None
    assert data.times.tolist() == [1.0, 2.5, 7.0]
    assert data.user_table["gender"].tolist() == ["unknown", "F"]
    assert data.user_table["age_group"].tolist() == ["35-44", "unknown"]
    assert data.item_table["category"].tolist() == [(), (), ("x", "y")]
    assert data.item_table["name"].tolist() == ["", "", "A  b"]
    assert data.dropped == {"empty ages": 1, "listed users without rows": 1}


def test_recbole_parts_valid_trains_and_test_is_given(tmp_path: Path) -> None:
    names = ("x.train.inter", "x.valid.inter.gz", "x.test.inter")
    files = {name: INTER + f"u{n}\ti\t{n}\t{n}\n" for n, name in enumerate(names, 1)}
    data = load(tmp_path, "recbole", files)
    assert pairs(data) == [("u1", "i"), ("u2", "i")]
    assert pairs(data, data.test) == [("u3", "i")]
    rated = load(tmp_path / "rated", "recbole", files, min_rating=2.0)
    assert pairs(rated) == [("u2", "i")]


def test_recbole_columns_of_other_names(tmp_path: Path) -> None:
    text = "buyer:token\tthing:token\nu\ti\n"
    columns = ColumnsConfig(user="buyer", item="thing")
    assert pairs(load(tmp_path, "recbole", {"x.inter": text}, columns=columns)) == [("u", "i")]
    with pytest.raises(DataError, match=r"x\.inter: has no column 'buyr'.*did you mean 'buyer'"):
        load(tmp_path, "recbole", {}, columns=ColumnsConfig(user="buyr", item="thing"))


GENRES = "\n".join(f"g{n}|{n}" for n in range(19)) + "\n"
FLAGS = "|".join("1" if n in (1, 18) else "0" for n in range(19))
ML_100K = {
    "u.data": "3\t7\t5\t20\n1\t7\t2\t10\n3\t9\t4\t15\n",
    "u.user": "1|24|M|technician|85711\n3|110|F|other|T8H1N\n",
    "u.item": f"7|Café (1995)|01-Jan-1995||http|{FLAGS}\n9|unknown||||1{'|0' * 18}\n",
    "u.genre": GENRES,
}
ML_1M = {
    "ratings.dat.gz": "3::7::5::20\n1::7::2::10\n3::9::4::15\n",
    "users.dat": "1::M::18::10::48067\n3::F::110::1::x\n",
    "movies.dat": "7::Café (1995)::g1|g18\n9::Up: a :: b (1)::\n".replace(" :: b", " b"),
}
ML_CSV = {
    "ratings.csv": "userId,movieId,rating,timestamp\n3,7,5.0,20\n1,7,2.0,10\n3,9,4.0,15\n",
    "movies.csv": 'movieId,title,genres\n7,Café (1995),g1|g18\n9,"Up, up",(no genres listed)\n',
}
NOTIME = {"ratings-notime.dat": "3::7::5\n1::7::2\n3::9::4\n"}


@pytest.mark.parametrize("files", [ML_100K, ML_1M, ML_CSV, NOTIME])
def test_movielens_of_any_release(tmp_path: Path, files: dict[str, str]) -> None:
    data = load(tmp_path, "movielens", files)
    assert pairs(data) == [(1, 7), (3, 7), (3, 9)]
    assert (data.times is None) == (files is NOTIME)
    if data.times is not None:
        assert data.times.tolist() == [10, 20, 15]
        assert data.item_table["name"][0] == "Café (1995)"
        assert data.item_table["category"].tolist() == [("g1", "g18"), ()] or files is ML_100K
    if files in (ML_100K, ML_1M):
        assert data.user_table["gender"].tolist() == ["M", "F"]
        assert data.user_table["age_group"].tolist() == ["18-24", "unknown"]
        assert data.dropped == {"ages outside 1 to 108": 1}
    rated = load(tmp_path, "movielens", {}, min_rating=4.0)
    assert pairs(rated) == [(3, 7), (3, 9)]
    assert rated.dropped["rows rated below 4"] == 1


def test_genres_of_100k_are_named_by_their_file(tmp_path: Path) -> None:
    data = load(tmp_path, "movielens", ML_100K)
    assert data.item_table["category"].tolist() == [("g1", "g18"), ("g0",)]


def test_s3rec_order_is_time_and_attributes_may_repeat(tmp_path: Path) -> None:
    files = {
        "B.txt.gz": "1 5 3 9\n2 9 5\n",
        "B_item2attributes.json": '{"5": [1, 2, 1], "3": [], "5": [2, 4], "77": [1]}',
    }
    data = load(tmp_path, "s3rec", files)
    assert pairs(data) == [(1, 3), (1, 5), (1, 9), (2, 5), (2, 9)]
    assert data.times is not None
    assert data.times.tolist() == [1, 0, 2, 4, 3]
    assert data.item_table["category"].tolist() == [(), ("1", "2", "4"), ()]
    assert data.dropped == {
        "repeated attributes of an item": 2,
        "listed items without rows": 1,
    }


def test_the_original_hetrec_has_names_and_tags(tmp_path: Path) -> None:
    files = {
        "user_artists.dat": "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t1\n",
        "artists.dat": "id\tname\turl\tpictureURL\n51\tDürän\thttp\thttp\n60\tNo\th\th\n",
        "tags.dat": "tagID\ttagValue\n1\trück\n2\tpop\n",
        "user_taggedartists.dat.gz": "userID\tartistID\ttagID\tday\tmonth\tyear\n"
        "2\t51\t2\t1\t4\t1956\n2\t51\t1\t1\t4\t2009\n3\t51\t1\t1\t4\t2009\n",
    }
    data = load(tmp_path, "hetrec-original", files)
    assert pairs(data) == [(2, 51), (2, 52)]
    assert data.item_table["name"].tolist() == ["Dürän", ""]
    assert data.item_table["category"].tolist() == [("rück", "pop"), ()]
    assert pairs(load(tmp_path, "hetrec-original", {}, min_rating=2.0)) == [(2, 51)]


def test_gzipped_files_read_as_plain_ones(tmp_path: Path) -> None:
    for source, name, test, text in (
        ("lightgcn", "train.txt", "test.txt", "0 1 2\n3 1\n"),
        ("hetrec", "data1.txt", "test1.txt", "0\t1\t5\n3\t1\t5\n"),
    ):
        held = text.replace("1", "8")
        plain = load(tmp_path / source / "a", source, {name: text, test: held})
        files = {f"{name}.gz": text, f"{test}.gz": held}
        packed = load(tmp_path / source / "b", source, files)
        assert pairs(packed) == pairs(plain)
        assert pairs(packed, packed.test) == pairs(plain, plain.test) != []


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("recbole", RECBOLE),
        ("movielens", {**ML_100K, "u.item": ML_100K["u.item"].replace("é", "e")}),
        ("movielens", {"ratings.dat": "3::7::5::20\n", "users.dat": ML_1M["users.dat"]}),
        ("movielens", ML_CSV),
        ("s3rec", {"B.txt": "1 5 3\n2 9\n", "B_item2attributes.json": '{"5": [1]}'}),
        ("hetrec", {"data1.txt": "0\t1\t5\n3\t1\t5\n"}),
        ("hetrec-original", {"user_artists.dat": "userID\tartistID\tweight\n2\t51\t1\n"}),
        ("lightgcn", {"train.txt": "0 1 2\n3 1\n"}),
        ("table", {"a.tsv": "user\titem\n007\tx\n7\ty\n"}),
    ],
)
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(
    tmp_path: Path, source: str, files: dict[str, str]
) -> None:
    plain = load(tmp_path / "a", source, files)
    marked = {
        name: ("" if name == "u.item" else "\ufeff") + text.replace("\n", "\r\n")
        for name, text in files.items()
    }
    other = load(tmp_path / "b", source, marked)
    assert pairs(other) == pairs(plain)
    assert other.user_table.to_dict("list") == plain.user_table.to_dict("list")
    assert other.item_table.to_dict("list") == plain.item_table.to_dict("list")


def test_a_leading_zero_behind_a_byte_order_mark_is_kept(tmp_path: Path) -> None:
    columns = ColumnsConfig(user=0, item=1)
    data = load(tmp_path, "table", {"a.csv": "\ufeff7,1\n7,2\n"}, columns=columns)
    assert data.user_ids.tolist() == [7]
    data = load(tmp_path, "table", {"a.csv": "\ufeff07,1\n7,2\n"}, columns=columns)
    assert data.user_ids.tolist() == ["07", "7"]


def test_a_folder_of_two_formats_must_be_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 1\n")
    (tmp_path / "u.data").write_text("0\t1\t1\t1\n")
    with pytest.raises(DataError, match="fits several sources: lightgcn, movielens; give --source"):
        guess(tmp_path)

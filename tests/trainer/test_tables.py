"""Reports as tables: of pandas, and in notebooks."""

import html.parser
import json
import math
import sys

import numpy as np
import pytest
from ncscope import Report
from ncscope.headline import HEADLINE, scalars
from trainers import CLASSES, samples_of

TEXT = json.dumps(
    {
        "key": {"run": "<b>&run", "epoch": 3, "split": "train", "layer": 'fc"1'},
        "partial": True,
        "data": {"samples": "9", "num_classes": 3, "present_classes": 2, "dim": 4},
        "nc1": {"pinv": 0.25, "cdnv_worst_pair": {"first": 0, "second": 1}, "rank": 0},
        "nc4": {"agreement": 0.5, "decision_source": "DECISION_SOURCE_CLASSIFIER"},
        "classes": [
            {"label": 0, "count": "7", "within_variance": 0.5},
            {"label": 2, "count": "2", "nearest_class": 0},
        ],
        "undefined": [
            {"metric": "nc3", "reason": 'no "classifier" <was> streamed'},
            {"metric": "nc1.cdnv", "reason": "two class means are equal"},
        ],
        "warnings": [{"code": f"code{n}", "message": "<script>"} for n in range(11)],
    }
)


@pytest.fixture
def report():
    return Report.from_json(TEXT)


class Cells(html.parser.HTMLParser):
    """Texts of a table's rows, titles of cells, and every tag that there is."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.titles, self.tags, self.text = [], {}, set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if dict(attributes).get("title"):
            self.titles[self.rows[-1][0]] = dict(attributes)["title"]
        assert {name for name, _ in attributes} <= {"class", "title"}

    def handle_data(self, data):
        self.text.append(data)
        if self.rows:
            self.rows[-1].append(data)


def test_a_notebook_shows_the_headline_numbers(report):
    cells = Cells(report._repr_html_())
    assert cells.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td", "div", "small"}
    values = {row[0]: row[1] for row in cells.rows[1:]}
    assert list(values) == [path for path, _ in HEADLINE]
    assert (values["nc1.pinv"], values["nc4.agreement"]) == ("0.25", "0.5")
    assert values["nc1.cdnv"] == values["nc3.distance"] == "undefined"
    assert cells.titles["nc1.cdnv"] == "two class means are equal"
    assert cells.titles["nc3.distance"] == 'no "classifier" <was> streamed'
    text = " ".join(cells.text)
    assert '<b>&run, epoch 3, train, fc"1' in text
    assert "9 samples, 2 classes, dimension 4" in text
    assert "partial" in text
    assert "code0: <script>" in text
    assert "3 more warnings" in text


def test_one_row_of_scalars(report):
    pandas = pytest.importorskip("pandas")
    frame = report.to_pandas()
    assert frame.shape[0] == 1
    (row,) = frame.to_dict("records")
    assert (row["run"], row["epoch"], row["split"]) == ("<b>&run", 3, "train")
    assert (row["nc1.pinv"], row["nc1.rank"], row["nc4.agreement"]) == (0.25, 0, 0.5)
    assert row["data.samples"] == 9
    assert math.isnan(row["nc1.cdnv"])
    assert math.isnan(row["nc2.means.etf_error"])
    assert math.isnan(row["spectrum.within.effective_rank"])
    assert not {"nc1.cdnv_worst_pair", "nc4.decision_source", "nc4.centers"} & row.keys()
    empty = Report.from_json("{}").to_pandas()
    assert list(empty.columns) == list(frame.columns)
    assert len(pandas.concat([frame, empty])) == 2


def test_a_table_of_classes(report):
    pytest.importorskip("pandas")
    frame = report.classes_to_pandas()
    assert list(frame.index) == [0, 2]
    assert frame["count"].tolist() == [7, 2]
    assert frame.loc[0, "within_variance"] == 0.5
    assert np.isnan(frame.loc[2, "within_variance"])
    assert frame.loc[2, "nearest_class"] == 0
    assert len(Report.from_json("{}").classes_to_pandas()) == 0


def test_tables_of_a_server_s_report(client, run_name):
    pytest.importorskip("pandas")
    features, labels, weight = samples_of(0)
    with client.stream(run_name, 0, num_classes=CLASSES) as stream:
        stream.add(features, labels)
        stream.classifier(weight)
    report = stream.report
    row = report.to_pandas().iloc[0]
    assert row["nc1.pinv"] == report.nc1.pinv
    assert row["nc2.classifier.etf_error"] == report.nc2.classifier.etf_error
    assert row["class_groups.tail.cosine"] == report.class_groups.tail.cosine
    assert len(report.classes_to_pandas()) == CLASSES
    assert Cells(report._repr_html_()).rows[1][1] == f"{report.nc1.pinv:.4g}"


def test_every_path_leads_to_its_number(report):
    for path, value in scalars(report).items():
        found = report
        for name in path.split("."):
            found = getattr(found, name)
        assert found == value, path


def test_without_pandas(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for make in (report.to_pandas, report.classes_to_pandas):
        with pytest.raises(ImportError, match="need pandas: pip install pandas"):
            make()

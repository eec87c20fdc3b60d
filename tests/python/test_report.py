"""Typed access to a report, without a server."""

import datetime
import json
import pickle

import numpy as np
import pytest
from ncscope import Report
from ncscope.report import from_message
from ncscope.v1 import report_pb2, service_pb2
from ncscope.v1.report_types import ReportFields, Run

TEXT = json.dumps(
    {
        "key": {"run": "r", "epoch": 3, "split": "train", "layer": "features"},
        "world_size": 2,
        "created_at": "2025-01-02T03:04:05.500Z",
        "conventions": {"weighting": "WEIGHTING_BY_COUNT", "input_type": "DATA_TYPE_BFLOAT16"},
        "data": {"samples": "9007199254740993", "num_classes": 3, "absent": [2]},
        "nc1": {"pinv": 0.25, "cdnv_worst_pair": {"first": 0, "second": 1}, "rank": 0},
        "nc4": {"agreement": 0.5, "decision_source": "DECISION_SOURCE_CLASSIFIER"},
        "classes": [
            {"label": 0, "count": "7", "within_variance": 0.5},
            {"label": 1, "count": "2"},
        ],
        "undefined": [
            {"metric": "nc3", "reason": "no classifier was streamed"},
            {"metric": "nc1.cdnv", "reason": "two class means are equal"},
        ],
        "warnings": [{"code": "rank_deficient", "message": "rank 1 of 2"}],
    }
)


@pytest.fixture
def report():
    return Report.from_json(TEXT)


def test_numbers_are_attributes_and_absent_ones_are_none(report):
    assert report.nc1.pinv == 0.25
    assert report.nc1.rank == 0  # present and 0 is not absent
    assert report.nc1.cdnv is None
    assert (report.nc1.cdnv_worst_pair.first, report.nc1.cdnv_worst_pair.second) == (0, 1)
    assert report.nc2.means.coherence_pair is None
    assert report.nc4.centers is None
    assert report.nc2.means.etf_error is None  # of a message that is absent
    assert report.layers == ()


def test_text_enums_and_times(report):
    assert (report.run, report.epoch, report.split, report.layer) == ("r", 3, "train", "features")
    assert report.conventions.weighting == "by_count"
    assert report.conventions.input_type == "bfloat16"
    assert report.nc4.decision_source == "classifier"
    expected = datetime.datetime(2025, 1, 2, 3, 4, 5, 500_000, tzinfo=datetime.timezone.utc)
    assert report.created_at == expected
    assert Report.from_json("{}").created_at is None
    assert report.data.samples == 9007199254740993


def test_reasons_and_warnings(report):
    assert report.undefined["nc1.cdnv"] == "two class means are equal"
    assert report.why("nc3.distance") == "no classifier was streamed"  # of its group
    assert report.why("nc1.pinv") is None
    assert [warning.code for warning in report.warnings] == ["rank_deficient"]
    with pytest.raises(TypeError):
        report.undefined["nc1.pinv"] = "x"


def test_per_class_columns(report):
    assert report.class_column("label").tolist() == [0, 1]
    assert report.class_column("count").dtype == np.int64
    np.testing.assert_array_equal(report.class_column("within_variance"), [0.5, np.nan])
    with pytest.raises(AttributeError):
        report.class_column("no_such")


def test_json_and_dict_round_trip(report):
    as_json = json.loads(report.to_json())
    for name, value in json.loads(TEXT).items():
        if isinstance(value, dict):
            assert as_json[name].items() >= value.items()
    assert as_json["data"]["ignored"] == "0"  # no metric: printed also when it is 0
    assert "cdnv" not in as_json["nc1"]
    assert Report.from_json(report.to_json()) == report
    as_dict = report.to_dict()
    assert as_dict["data"]["samples"] == 9007199254740993
    assert as_dict["nc1"] == {"pinv": 0.25, "cdnv_worst_pair": {"first": 0, "second": 1}, "rank": 0}
    assert as_dict["conventions"]["weighting"] == "by_count"
    json.dumps(as_dict)


def test_a_report_can_be_pickled_and_not_changed(report):
    assert pickle.loads(pickle.dumps(report)) == report
    with pytest.raises(AttributeError):
        report.nc1.pinv = 0


def test_an_enum_value_from_the_future_is_its_number():
    message = report_pb2.Report()
    message.conventions.weighting = 77
    assert Report.from_message(message).conventions.weighting == "77"


def test_every_field_of_the_protos_is_there_with_its_comment():
    fields = {field.name for field in report_pb2.Report.DESCRIPTOR.fields}
    assert fields - {"undefined"} == set(ReportFields.__dataclass_fields__)
    run = from_message(service_pb2.ListRunsResponse.Run(run="a", reports=3), Run)
    assert (run.run, run.reports, run.updated_at) == ("a", 3, None)
    assert ReportFields.__doc__ == "Everything ncscope says about one series in one epoch."

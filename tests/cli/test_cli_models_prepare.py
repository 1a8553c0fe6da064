"""`appliance models prepare`, and what other commands say of the processor."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from appliance import assemble, doctor
from appliance.cli import prepare
from appliance.config import Config, load
from appliance.daemon.beats import Beats
from appliance.daemon.house import House
from appliance.doctor import Status
from appliance.vision import acceleration, onnx_runtime, tensorrt_engine
from appliance.vision.acceleration import Attempt
from appliance.vision.embedding import TfliteEmbedder
from appliance.vision.parity import Parity
from appliance.vision.processor import ON_CPU, Processor
from tests.cli.runs import Appliance
from tests.fakes import FakeClock
from tests.portraits import network

FALLEN = Processor(passed_over=("TensorRT: it is not there", "CUDA by ONNX Runtime: nor is it"))
GPU = Processor("TensorRT 10.3.0 (fp16) on Orin", Parity(0.99998, 0.99999, 12))


@pytest.fixture
def jetson(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> Appliance:
    monkeypatch.setattr(prepare, "_WARM_UP", 0)
    monkeypatch.setattr(assemble, "on_cpu", lambda _: network("mobilefacenet"))
    appliance.configure(model={"name": "mobilefacenet", "delegate": "tensorrt", "threads": 1})
    return appliance


def config_of(appliance: Appliance) -> Config:
    return load(appliance.config)


def running_on(monkeypatch: pytest.MonkeyPatch, processor: Processor) -> None:
    def embedder(config: Config) -> TfliteEmbedder:
        entry = assemble.manifest(config).entry(config.model.name)
        return TfliteEmbedder(entry, network(entry.name), "", processor)

    monkeypatch.setattr(assemble, "embedder", embedder)


def test_the_cpu_needs_none(appliance: Appliance) -> None:
    told = appliance.json("models", "prepare")
    assert (told.code, told.data) == (0, {"delegate": "cpu", "ways": []})


def test_where_no_gpu_is_every_way_is_told_with_its_reason_and_the_answer_is_no(
    jetson: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = [
        Attempt("TensorRT", None, None, "it is not there"),
        Attempt("CUDA by ONNX Runtime", None, Parity(0.98, 0.99, 12), "it computes something else"),
        Attempt(ON_CPU, network("mobilefacenet"), None),
    ]
    monkeypatch.setattr(assemble, "prepared", lambda *_, **__: iter(tried))
    told = jetson.json("models", "prepare", "--rounds", "1")
    assert told.code == 1
    assert (told.data["ready"], told.data["device"]) == (False, "the CPU")
    assert [it["serves"] for it in told.data["ways"]] == [False, False, True]
    assert told.data["ways"][1]["least_cosine"] == 0.98
    assert told.data["ways"][2]["p50_ms"] > 0
    plain = jetson("models", "prepare", "--rounds", "1")
    assert plain.out.splitlines()[0] == "no   TensorRT: it is not there"
    assert plain.out.splitlines()[-1] == "A door falls back to the CPU, and says so."


def test_where_one_serves_it_is_timed_beside_the_cpu(
    jetson: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Attempt(GPU.device, network("mobilefacenet"), GPU.parity)
    asked: list[bool] = []

    def prepared(_config: Config, progress: Any, *, every: bool) -> Iterator[Attempt]:
        asked.append(every)
        progress("Building", 1, 2)
        yield served

    monkeypatch.setattr(assemble, "prepared", prepared)
    told = jetson.json("models", "prepare", "--all", "--rounds", "1")
    assert (told.code, asked) == (0, [True])
    assert told.data["ready"]
    assert told.data["device"] == GPU.device
    assert [it["device"] for it in told.data["ways"]] == [GPU.device, ON_CPU]
    assert "A door runs the embedder on TensorRT 10.3.0" in jetson("models", "prepare").out


def test_a_model_without_a_twin_is_told_which_has_one(appliance: Appliance) -> None:
    appliance.configure(model={"delegate": "tensorrt"})
    told = appliance.json("models", "prepare")
    assert (told.code, told.error["code"]) == (3, "no_twin")
    assert "mobilefacenet" in told.error["hint"]


def test_without_a_runtime_it_is_an_error_and_the_list_says_so(
    jetson: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorrt_engine, "installed", lambda: False)
    monkeypatch.setattr(onnx_runtime, "installed", lambda: False)
    told = jetson.json("models", "prepare")
    assert (told.code, told.error["code"]) == (3, "missing_runtime")
    listed = jetson.json("models", "list")
    assert (listed.code, listed.data["processor"]["error"]["code"]) == (0, "missing_runtime")
    assert "cannot be used" in jetson("models", "list").out


def test_a_missing_delegate_is_an_error(appliance: Appliance) -> None:
    appliance.configure(model={"delegate": "/opt/no/libdelegate.so"})
    told = appliance.json("models", "prepare")
    assert (told.code, told.error["code"]) == (3, "bad_delegate")


def test_the_list_tells_where_the_embedder_runs(
    jetson: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_on(monkeypatch, FALLEN)
    assert jetson.json("models", "list").data["processor"] == {
        "device": "the CPU",
        "parity": None,
        "passed_over": list(FALLEN.passed_over),
    }
    assert "Not on TensorRT: it is not there." in jetson("models", "list").out


@pytest.mark.parametrize(
    ("processor", "status", "told"),
    [
        (FALLEN, Status.WARN, "falls back to the CPU: TensorRT: it is not there; CUDA by"),
        (GPU, Status.OK, "TensorRT 10.3.0 (fp16) on Orin runs the embedder; cosine to the CPU"),
    ],
)
def test_doctor_tells_it(
    jetson: Appliance,
    monkeypatch: pytest.MonkeyPatch,
    processor: Processor,
    status: Status,
    told: str,
) -> None:
    running_on(monkeypatch, processor)
    check = doctor._processor(config_of(jetson))
    assert check.status is status
    assert told in check.detail


def test_the_service_is_degraded_while_it_falls_back(
    jetson: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, clock = config_of(jetson), FakeClock()
    silent: Any = lambda *_: None  # noqa: E731 - what nobody listens to
    house = House(
        config, SimpleNamespace(), clock, Beats(clock),  # type: ignore[arg-type]  # no store is needed
        told=silent, changed=silent, call=silent, failed=silent,
    )  # fmt: skip
    assert house.fall_back == ""
    for processor, wanted in ((FALLEN, FALLEN.warning), (GPU, "")):
        running_on(monkeypatch, processor)
        stages = SimpleNamespace(embedder=assemble.embedder(config))
        house.perception = SimpleNamespace(stages=stages)  # type: ignore[assignment]
        assert house.fall_back == wanted


def test_the_fall_back_is_logged_once_it_is_built(
    jetson: Appliance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    placed = acceleration.Placed(network("mobilefacenet"), FALLEN)
    monkeypatch.setattr(assemble, "place", lambda *_: placed)
    with caplog.at_level("WARNING"):
        assemble.embedder(config_of(jetson))
    assert caplog.messages == [FALLEN.warning]


def test_what_is_timed_is_a_median_of_so_many_rounds() -> None:
    tried = prepare._timed(Attempt(ON_CPU, network("mobilefacenet"), None), 3)
    assert tried.ms is not None
    assert tried.ms > 0

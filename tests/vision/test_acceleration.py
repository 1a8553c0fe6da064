"""`model.delegate: tensorrt`: tried in order, compared with the CPU, told, nobody else's code."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from appliance.errors import ExitCode, ModelError
from appliance.types import Floats
from appliance.vision import acceleration, cuda, manifest, onnx_runtime, parity, tensorrt_engine
from appliance.vision.acceleration import Attempt, Placed, Source, place, prepare, ways_of
from appliance.vision.interpreter import network_input
from appliance.vision.parity import reference_faces
from tests.portraits import network
from tests.vision.fake_gpu import FakeDriver, fake_tensorrt

pytest.importorskip("onnxruntime", reason="the extra [dev] is not installed")
FACES = reference_faces()


@pytest.fixture(scope="module")
def source() -> Source:
    models = manifest.load(manifest.shipped_folder())
    entry = models.entry("mobilefacenet")
    assert entry.twin is not None
    return Source(entry, models.read(entry), models.read(entry.twin), 1)


class Bench:
    """A board with a GPU that is none, and a folder for its engines."""

    def __init__(self, source: Source, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.source, self.folder, self._patch = source, folder, patch
        self.uid = os.geteuid()
        self.told: list[tuple[str, int, int]] = []
        # One face is enough to tell right from wrong here; the rest is for boards.
        patch.setattr(parity, "reference_faces", lambda: FACES[:1])
        patch.setattr(acceleration, "_original", lambda _: network("mobilefacenet"))
        patch.setattr(tensorrt_engine, "installed", lambda: True)
        self.install(fake_tensorrt())
        self.gpu(FakeDriver())

    def install(self, trt: Any) -> None:
        self._patch.setattr(tensorrt_engine, "bindings", lambda: trt)

    def gpu(self, driver: FakeDriver) -> None:
        self._patch.setattr(cuda, "driver", lambda: driver)

    def prepare(self, *, every: bool = False) -> list[Attempt]:
        ways = ways_of(self.source, self.folder, uid=self.uid)
        return list(prepare(self.source, ways, self._hear, every=every))

    def place(self) -> Placed:
        return place(self.source, ways_of(self.source, self.folder, uid=self.uid))

    def files(self, suffix: str) -> list[Path]:
        return sorted(self.folder.glob(f"*.{suffix}"))

    def _hear(self, phase: str, step: int, steps: int) -> None:
        self.told.append((phase, step, steps))


@pytest.fixture
def bench(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(source, tmp_path / "engines", monkeypatch)


def reasons(placed: Placed) -> str:
    assert placed.processor.device == "the CPU"
    assert placed.processor.warning.startswith("model.delegate falls back to the CPU: TensorRT: ")
    return placed.processor.passed_over[0]


class TestPreparing:
    def test_nothing_is_built_by_whoever_only_wants_to_run(self, bench: Bench) -> None:
        assert "No engine was built for this GPU" in reasons(bench.place())
        assert "appliance models prepare" in reasons(bench.place())
        assert not bench.folder.exists()

    def test_an_engine_is_built_once_compared_and_then_loaded(self, bench: Bench) -> None:
        (attempt,) = bench.prepare()
        assert attempt.device == "TensorRT 10.3.0 (fp16) on Twin of Orin"
        assert attempt.parity is not None
        assert attempt.parity.least > 0.99999
        placed = bench.place()
        assert placed.processor.device == attempt.device
        assert placed.processor.warning == ""
        assert placed.network.input_shape == (1, 112, 112, 3)
        assert placed.network.output_shapes == [(1, 192)]

    def test_progress_is_told(self, bench: Bench) -> None:
        bench.prepare()
        assert bench.told == [
            ("Building", 0, 2),
            ("Building", 1, 2),
            ("Building", 2, 2),
            ("Building", 2, 2),
        ]

    def test_a_tensorrt_that_counts_no_steps_builds_all_the_same(self, bench: Bench) -> None:
        trt = fake_tensorrt("8.6.2")
        del trt.IProgressMonitor
        bench.install(trt)
        (attempt,) = bench.prepare()
        assert attempt.device == "TensorRT 8.6.2 (fp16) on Twin of Orin"
        assert bench.told == [("choosing kernels", 0, 0)]

    def test_a_tensorrt_that_takes_fp16_from_no_float32_file_builds_fp32(
        self, bench: Bench
    ) -> None:
        trt = fake_tensorrt("11.4.0")
        trt.BuilderFlag = SimpleNamespace(TF32=7)
        bench.install(trt)
        (attempt,) = bench.prepare()
        assert attempt.device == "TensorRT 11.4.0 (fp32) on Twin of Orin"

    def test_what_is_kept_is_its_users_alone(self, bench: Bench) -> None:
        bench.prepare()
        assert bench.folder.stat().st_mode & 0o777 == 0o700
        kept = sorted(path.suffix for path in bench.folder.iterdir())
        assert kept == [".engine", ".json", ".timings"]
        assert {path.stat().st_mode & 0o777 for path in bench.folder.iterdir()} == {0o600}

    def test_where_fp16_strays_from_the_cpu_fp32_is_built(self, bench: Bench) -> None:
        bench.install(fake_tensorrt(half=strayed))
        (attempt,) = bench.prepare()
        assert attempt.device == "TensorRT 10.3.0 (fp32) on Twin of Orin"
        assert bench.place().processor.device == attempt.device

    def test_what_strayed_is_gone_from_the_gpu_before_the_next_is_built(self) -> None:
        gone: list[bool] = []

        def makes(precision: str) -> Any:
            network = np.zeros(1)
            if precision == "fp16":
                weakref.finalize(network, gone.append, True)
                raise ModelError("It strays.")
            assert gone == [True]
            return network

        assert acceleration._first(makes)[1] == "fp32"

    @pytest.mark.parametrize("timings", [b"spoilt", b"of another GPU"])
    def test_timings_that_are_good_for_nothing_are_taken_anew(self, timings: bytes) -> None:
        built = tensorrt_engine.build(
            b"network",
            name="twin",
            trt=fake_tensorrt(),
            half=True,
            timings=timings,
            progress=lambda *_: None,
        )
        assert built.plan
        assert built.timings == b"timings"

    def test_a_gpu_that_strays_in_both_is_never_used(self, bench: Bench) -> None:
        bench.install(fake_tensorrt(half=strayed, full=strayed))
        first, *_, last = bench.prepare()
        assert first.network is None
        assert "computes something else than the CPU: cosine to the CPU 0.99" in first.why
        assert last.device == "the CPU"
        assert bench.files("json") == []
        assert "No engine was built" in reasons(bench.place())

    @pytest.mark.parametrize(
        ("fails", "why"),
        [
            ("start", "it does not start on this GPU"),
            ("parse", "its parser refuses the ONNX file: node 0: no importer registered for op"),
            ("build", "no engine came of it: no kernel was found"),
            ("run", "the GPU does not run its engine"),
        ],
    )
    def test_what_fails_is_told_and_the_cpu_is_left(
        self, bench: Bench, fails: str, why: str
    ) -> None:
        bench.install(fake_tensorrt(fails=fails))
        first, *_, last = bench.prepare()
        assert why in first.why
        assert last.device == "the CPU"
        assert bench.files("json") == []

    def test_a_gpu_without_memory_is_told(self, bench: Bench) -> None:
        bench.gpu(FakeDriver(full=True))
        assert "cuMemAlloc_v2: out of memory (CUDA error 2)" in bench.prepare()[0].why

    def test_all_ways_are_tried_where_that_is_asked_for(self, bench: Bench) -> None:
        tried = bench.prepare(every=True)
        assert [it.device.split(" (")[0] for it in tried] == [
            "TensorRT 10.3.0",
            "TensorRT by ONNX Runtime",
            "CUDA by ONNX Runtime",
            "the CPU",
        ]
        assert [it.network is not None for it in tried] == [True, False, False, True]


class TestRunning:
    def test_it_computes_what_the_cpu_computes_in_any_thread(self, bench: Bench) -> None:
        bench.prepare()
        placed = bench.place()
        tensor = network_input(FACES[0], bench.source.entry)
        found: list[Floats] = []
        thread = Thread(target=lambda: found.append(placed.network.run(tensor)[0]))
        thread.start()
        thread.join()
        expected = network("mobilefacenet").run(tensor)[0]
        assert np.abs(found[0] - expected).max() < 1e-3

    def test_a_picture_of_another_size_is_refused_before_the_gpu_reads_it(
        self, bench: Bench
    ) -> None:
        bench.prepare()
        with pytest.raises(ModelError, match="takes"):
            bench.place().network.run(np.zeros((1, 96, 96, 3), np.float32))

    def test_a_network_that_is_dropped_leaves_nothing_on_the_gpu(self, bench: Bench) -> None:
        bench.gpu(driver := FakeDriver())
        bench.install(fake_tensorrt(half=strayed))
        bench.prepare()
        assert driver.allocated == {}
        placed = bench.place()
        assert len(driver.allocated) == 2  # input and output
        del placed
        assert driver.allocated == {}

    @pytest.mark.parametrize(
        "otherwise",
        [
            lambda bench: bench.install(fake_tensorrt("10.13.3")),
            lambda bench: bench.gpu(FakeDriver(b"Another GPU")),
        ],
        ids=["TensorRT", "GPU"],
    )
    def test_an_engine_is_for_one_gpu_and_one_tensorrt(
        self, bench: Bench, otherwise: Callable[[Bench], None]
    ) -> None:
        bench.prepare()
        otherwise(bench)
        assert "No engine was built" in reasons(bench.place())

    def test_one_that_gives_everybody_the_same_vector_is_not_used(self, bench: Bench) -> None:
        bench.prepare()
        bench.install(fake_tensorrt(half=np.ones_like))
        assert "computes something else than the CPU" in reasons(bench.place())

    def test_one_that_gives_no_numbers_is_not_used(self, bench: Bench) -> None:
        bench.prepare()
        bench.install(fake_tensorrt(half=lambda vector: vector * np.float32(np.nan)))
        assert "gives no usable vector" in reasons(bench.place())


class TestOthersCode:
    def test_an_engine_that_was_changed_is_not_run(self, bench: Bench) -> None:
        bench.prepare()
        (engine,) = bench.files("engine")
        engine.write_bytes(engine.read_bytes() + b"\0")
        assert "is not the one that was built" in reasons(bench.place())

    @pytest.mark.parametrize("suffix", ["engine", "json"])
    def test_a_file_that_others_may_write_is_not_read(self, bench: Bench, suffix: str) -> None:
        bench.prepare()
        (path,) = bench.files(suffix)
        path.chmod(0o660)
        assert f"others than its owner may write {path}" in reasons(bench.place())

    def test_a_pipe_is_not_waited_at(self, bench: Bench) -> None:
        bench.prepare()
        (path,) = bench.files("engine")
        path.unlink()
        os.mkfifo(path, 0o600)
        assert "cannot be read: It is no plain file" in reasons(bench.place())

    def test_nor_one_in_a_folder_that_others_may_write(self, bench: Bench) -> None:
        bench.prepare()
        bench.folder.chmod(0o777)
        assert "others than its owner may write" in reasons(bench.place())

    def test_nor_one_that_belongs_to_somebody_else(self, bench: Bench) -> None:
        bench.prepare()
        (engine,) = bench.files("json")
        bench.uid = engine.stat().st_uid + 1  # to this user it is somebody else's
        if engine.stat().st_uid == 0:
            os.chown(engine, 4711, -1)
        told = reasons(bench.place())
        assert "belongs to another user" in told
        assert "runs as root" not in told

    def test_root_is_told_that_the_door_may_well_run_it(self, bench: Bench) -> None:
        if bench.uid != 0:
            pytest.skip("only root gives files to others")
        bench.prepare()
        os.chown(bench.folder, 4711, -1)
        told = reasons(bench.place())
        assert "belongs to another user (number 4711), and this command runs as root; the" in told

    def test_a_record_that_speaks_of_no_parity_lets_nothing_run(self, bench: Bench) -> None:
        bench.prepare()
        (record,) = bench.files("json")
        text = record.read_text(encoding="utf-8")
        start, _, rest = text.partition('"least_cosine":')
        record.write_text(f'{start}"least_cosine":0.5,{rest.partition(",")[2]}', encoding="utf-8")
        assert "does not agree with the CPU" in reasons(bench.place())

    def test_a_record_that_is_none_is_told(self, bench: Bench) -> None:
        bench.prepare()
        (record,) = bench.files("json")
        record.write_text("{}", encoding="utf-8")
        assert "is not what was written there" in reasons(bench.place())


# What may have become of an engine that a runtime keeps itself.
SPOIL: tuple[Callable[[Path], object], ...] = (
    lambda engine: engine.unlink(),
    lambda engine: engine.write_bytes(b"another engine"),
    lambda engine: os.close(os.open(engine.with_name("2.engine"), os.O_CREAT, 0o600)),
)


class TestByOnnxRuntime:
    """ONNX Runtime with TensorRT, which writes its engine files itself; here the CPU runs it."""

    @pytest.fixture
    def bench(
        self, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Bench]:
        bench = Bench(source, tmp_path / "engines", monkeypatch)
        patch, self.bend = monkeypatch, unbent
        self.wanted: list[str] = []
        patch.setattr(
            onnx_runtime, "providers", lambda: ("TensorrtExecutionProvider", "CPUExecutionProvider")
        )
        patch.setattr(tensorrt_engine, "bindings", missing)
        patch.setattr(acceleration, "_by_onnx_runtime", self._run)
        before = os.umask(0o002)  # as on a desk: its files would be writable by the group
        yield bench
        os.umask(before)

    def _run(self, source: Source, provider: onnx_runtime.Provider) -> Any:
        if provider is onnx_runtime.CUDA:
            raise ModelError("There is no CUDA.")
        self.wanted.append(provider.options["trt_fp16_enable"])
        engine = Path(provider.options["trt_engine_cache_path"]) / "Tensorrt_1.engine"
        if not engine.exists():
            engine.write_bytes(b"engine")
        exact, bend = network("mobilefacenet"), self.bend
        if self.wanted[-1] != "True":
            return exact
        return SimpleNamespace(run=lambda tensor: (bend(exact.run(tensor)[0]),))

    def test_it_serves_where_the_bindings_are_missing_and_nothing_is_to_be_told(
        self, bench: Bench
    ) -> None:
        assert "No engine was built" in bench.place().processor.passed_over[1]
        first, second = bench.prepare()
        assert first.network is None
        assert second.device.startswith("TensorRT by ONNX Runtime ")
        assert second.device.endswith(" (fp16) on Twin of Orin")
        placed = bench.place()
        assert placed.processor.device == second.device
        assert placed.processor.warning == ""

    def test_where_fp16_strays_it_is_built_and_opened_in_fp32(self, bench: Bench) -> None:
        self.bend = strayed
        assert " (fp32) on " in bench.prepare()[1].device
        assert " (fp32) on " in bench.place().processor.device
        assert self.wanted == ["True", "False", "False"]

    def test_its_files_become_its_users_alone_and_are_not_used_otherwise(
        self, bench: Bench
    ) -> None:
        bench.prepare()
        (engine,) = bench.folder.rglob("Tensorrt*.engine")
        assert engine.stat().st_mode & 0o777 == 0o600
        engine.chmod(0o660)
        reason = bench.place().processor.passed_over[1]
        assert f"others than its owner may write {engine}" in reason

    @pytest.mark.parametrize("spoil", SPOIL, ids=["none", "another", "one more"])
    def test_a_start_builds_nothing_whatever_the_runtime_would_do(
        self, bench: Bench, spoil: Callable[[Path], object]
    ) -> None:
        bench.prepare()
        (engine,) = bench.folder.rglob("Tensorrt*.engine")
        self.wanted.clear()
        spoil(engine)
        reason = bench.place().processor.passed_over[1]
        assert "are not those that were built (`appliance models prepare` builds it" in reason
        assert self.wanted == []

    def test_what_is_no_engine_may_change(self, bench: Bench) -> None:
        bench.prepare()
        (engine,) = bench.folder.rglob("Tensorrt*.engine")
        os.close(os.open(engine.with_suffix(".timing"), os.O_CREAT, 0o600))
        assert bench.place().processor.warning == ""

    def test_a_runtime_that_keeps_no_engine_has_prepared_nothing(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(acceleration, "_by_onnx_runtime", lambda *_: network("mobilefacenet"))
        assert bench.prepare()[1].why.startswith("No engine was kept in ")
        assert bench.files("json") == []

    def test_its_engines_are_for_the_tensorrt_that_built_them(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.prepare()
        monkeypatch.setattr(tensorrt_engine, "libraries", lambda: "libnvinfer.so.10: 101303")
        self.wanted.clear()
        assert "No engine was built" in bench.place().processor.passed_over[1]
        assert self.wanted == []

    def test_cuda_serves_where_tensorrt_does_not_and_that_is_told(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(onnx_runtime, "providers", lambda: ("CUDAExecutionProvider",))
        monkeypatch.setattr(acceleration, "_by_onnx_runtime", lambda *_: network("mobilefacenet"))
        processor = bench.place().processor
        assert processor.device.startswith("CUDA by ONNX Runtime ")
        assert "was built without TensorRT" in processor.passed_over[1]
        assert processor.warning.startswith(f"model.delegate falls back to {processor.device}: ")


def unbent(vector: Floats) -> Floats:
    return vector


def missing() -> Any:
    raise ModelError("TensorRT's Python bindings are not there.")


def test_the_library_tells_its_version_where_no_bindings_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {
        "libnvinfer.so.10": SimpleNamespace(getInferLibVersion=lambda: 100300),
        "libnvinfer.so.11": SimpleNamespace(),
    }

    def load(name: str) -> Any:
        if name not in found:
            raise OSError(f"{name}: cannot open shared object file")
        return found[name]

    monkeypatch.setattr(tensorrt_engine, "ctypes", SimpleNamespace(CDLL=load))
    assert tensorrt_engine.libraries() == "libnvinfer.so.10: 100300, libnvinfer.so.11: 0"
    found.clear()
    assert tensorrt_engine.libraries() == ""


class TestWithoutAGpu:
    def test_the_reasons_are_told_in_order_and_the_cpu_serves(
        self, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            onnx_runtime, "providers", lambda: ("TensorrtExecutionProvider", "CPUExecutionProvider")
        )
        monkeypatch.setattr(cuda, "LIBRARY", "libcuda.so.of.nobody")
        placed = place(source, ways_of(source, tmp_path, uid=os.geteuid()))
        first, second, third = placed.processor.passed_over
        assert first.startswith("TensorRT: TensorRT's Python bindings cannot be loaded: ")
        assert second.startswith("TensorRT by ONNX Runtime: The GPU's driver cannot be loaded: ")
        assert "was built without CUDA" in third
        assert placed.processor.parity is None
        assert placed.network.input_shape == (1, 112, 112, 3)

    @pytest.mark.parametrize(
        ("release", "hint"),
        [
            ("# R36 (release), REVISION: 4.3", "JetPack 6: `sudo apt install python3-libnvinfer`"),
            ("# R38 (release), REVISION: 2.0", "JetPack: `sudo apt install python3-libnvinfer`"),
            (None, "`pip install 'face-access-appliance[tensorrt]'`"),
        ],
    )
    def test_without_any_runtime_the_person_is_told_what_to_install(
        self, release: str | None, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "nv_tegra_release"
        if release is not None:
            file.write_text(release, encoding="utf-8")
        monkeypatch.setattr(acceleration, "_TEGRA_RELEASE", file)
        monkeypatch.setattr(tensorrt_engine, "installed", lambda: False)
        monkeypatch.setattr(onnx_runtime, "installed", lambda: False)
        with pytest.raises(ModelError) as caught:
            acceleration.require_a_runtime()
        assert caught.value.exit_code is ExitCode.BAD_DATA
        assert caught.value.code == "missing_runtime"
        assert caught.value.hint.startswith(hint)


def strayed(vector: Floats) -> Floats:
    """A little off in one direction: cosine 0.998 or so, where 0.9999 is needed."""
    length = np.linalg.norm(vector)
    return np.asarray(vector + np.float32(0.06 * length / 14) * np.ones_like(vector), np.float32)

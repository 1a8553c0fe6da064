"""`model.delegate: tensorrt`: which processor runs a network, tried in order, and never silently.

1. TensorRT by JetPack's own Python bindings; 2. TensorRT by ONNX Runtime; 3. CUDA by ONNX Runtime;
4. the CPU by TFLite, as with `delegate: cpu`. The first three run the model's ONNX twin. Each is
compared with the CPU on real faces before it is used (`parity`), so a template enrolled on one is
good on all. Building an engine takes minutes, so only `prepare` does; what starts a door takes what
is there, or the next in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from appliance.errors import ModelError
from appliance.vision import cuda, onnx_runtime, tensorrt_engine
from appliance.vision.engine_files import EngineFiles, Record, key_of
from appliance.vision.external_delegate import load_external
from appliance.vision.interpreter import Network, TfliteModel
from appliance.vision.manifest import Entry
from appliance.vision.parity import LEAST_COSINE, Parity, compare
from appliance.vision.processor import ON_CPU, Processor
from appliance.vision.tensorrt_engine import Progress

Precision = Literal["fp16", "fp32"]


@dataclass(frozen=True)
class Source:
    """What is to be run. twin: its ONNX file's bytes. threads: of the CPU."""

    entry: Entry
    content: bytes
    twin: bytes
    threads: int


@dataclass(frozen=True, eq=False)
class Placed:
    """A network, ready to run, and where."""

    network: Network
    processor: Processor


@dataclass(frozen=True, eq=False)
class Attempt:
    """What came of preparing one way. network: None where it cannot be used, see `why`."""

    device: str
    network: Network | None
    parity: Parity | None
    why: str = ""


class Way(Protocol):
    """One way of running the twin."""

    device: str

    def open(self) -> tuple[Network, str]:
        """What was prepared, and its device's name. ModelError tells why there is none."""
        ...

    def prepare(self, judge: Judge, progress: Progress) -> tuple[Network, str]:
        """Build what `open` then finds. ModelError."""
        ...


# Says how near a network is to the CPU; ModelError where it is not near enough.
Judge = Callable[[Network], Parity]


def place(source: Source, ways: list[Way]) -> Placed:
    """The network on the first of the ways that is prepared and agrees with the CPU, else there.

    ModelError where no runtime that could use a GPU is installed at all: that was asked for.
    """
    original = _original(source)
    require_a_runtime()
    passed: list[str] = []
    for way in ways:
        opened = _opened(way, original, source.entry)
        if isinstance(opened, Placed):
            # By whom TensorRT is reached is a matter of what is installed; a slower kind is told.
            told = () if way.device.startswith("TensorRT") else tuple(passed)
            return replace(opened, processor=replace(opened.processor, passed_over=told))
        passed.append(f"{way.device}: {opened}")
    return Placed(original, Processor(passed_over=tuple(passed)))


def by_external(path: Path, entry: Entry, content: bytes, threads: int, *, uid: int) -> Placed:
    """The network with a TFLite external delegate, after it was compared with the CPU.

    content: the model's bytes. uid: whom this process runs as. ModelError for whatever is wrong
    with the delegate: who names a library wants that one, so there is no fall-back.
    """
    delegate = load_external(path, uid=uid)
    network = TfliteModel(content, name=entry.name, threads=threads, delegate=delegate)
    alone = TfliteModel(content, name=entry.name, threads=threads)
    parity = compare(network, alone, entry)
    if not parity.holds:
        raise ModelError(
            f"With the delegate {path} the model {entry.name!r} computes something else than on "
            f"the CPU ({parity}), and {LEAST_COSINE} is needed for templates and thresholds to "
            "hold.",
            hint="Set model.delegate: cpu.",
            code="no_parity",
        )
    return Placed(network, Processor(f"the delegate {path}", parity))


def prepare(
    source: Source, ways: list[Way], progress: Progress, *, every: bool
) -> Iterator[Attempt]:
    """Prepare the ways in order until one serves. every: also those after it.

    The last attempt is always the CPU's. ModelError where no runtime is installed.
    """
    original = _original(source)
    require_a_runtime()
    for way in ways:
        attempt = _prepared(way, original, source.entry, progress)
        yield attempt
        if attempt.network is not None and not every:
            return
    yield Attempt(ON_CPU, original, None)


def require_a_runtime() -> None:
    """ModelError where nothing is installed that could use a GPU, with what this board needs."""
    if tensorrt_engine.installed() or onnx_runtime.installed():
        return
    raise ModelError(
        "model.delegate is tensorrt, and neither TensorRT's Python bindings nor ONNX Runtime is "
        "installed.",
        hint=f"{_what_to_install(_TEGRA_RELEASE)} Or set model.delegate: cpu.",
        code="missing_runtime",
    )


_TEGRA_RELEASE = Path("/etc/nv_tegra_release")


def _what_to_install(release: Path) -> str:
    """The hint for the JetPack whose release file lies at `release`; none: for a PC."""
    try:
        text = release.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "`pip install 'face-access-appliance[tensorrt]'`, with NVIDIA's driver and CUDA."
    bindings = "`sudo apt install python3-libnvinfer`, in a virtual environment made with "
    bindings += "--system-site-packages"
    if text.startswith("# R36"):
        return f"JetPack 6: {bindings} (there is no wheel of onnxruntime-gpu for its Python 3.10)."
    return f"JetPack: {bindings}, or `pip install onnxruntime-gpu` for CUDA alone."


def ways_of(source: Source, folder: Path, *, uid: int) -> list[Way]:
    """All ways but the CPU, in order. folder: keeps engines. uid: whom this process runs as."""
    return [
        _ByBindings(source, folder, uid),
        _TensorRtByOnnxRuntime(source, folder, uid),
        _CudaByOnnxRuntime(source),
    ]


@dataclass
class _ByBindings:
    """TensorRT by JetPack's Python bindings."""

    source: Source
    folder: Path
    uid: int
    device: str = "TensorRT"

    def open(self) -> tuple[Network, str]:
        trt, gpu = tensorrt_engine.bindings(), cuda.Cuda(cuda.driver())
        files = self._files(trt, gpu)
        record = _fit(files.record())
        return self._loaded(files.plan(record), trt, gpu), self._named(trt, gpu, record.precision)

    def prepare(self, judge: Judge, progress: Progress) -> tuple[Network, str]:
        trt, gpu = tensorrt_engine.bindings(), cuda.Cuda(cuda.driver())
        files = self._files(trt, gpu)
        files.forget()

        def make(precision: Precision) -> Network:
            built = tensorrt_engine.build(
                self.source.twin,
                name=self.source.entry.name,
                trt=trt,
                half=precision == "fp16",
                timings=files.timings(),
                progress=progress,
            )
            files.write("timings", built.timings)
            network = self._loaded(built.plan, trt, gpu)
            files.keep(judge(network), precision, built.plan)
            return network

        network, precision = _first(make)
        return network, self._named(trt, gpu, precision)

    def _loaded(self, plan: bytes, trt: Any, gpu: cuda.Cuda) -> Network:
        return tensorrt_engine.TensorRtModel(plan, name=self.source.entry.name, trt=trt, cuda=gpu)

    def _files(self, trt: Any, gpu: cuda.Cuda) -> EngineFiles:
        parts = {"by": "bindings", "tensorrt": str(trt.__version__), **_gpu(gpu)}
        return EngineFiles(self.folder, key_of(parts | _of(self.source)), self.uid)

    def _named(self, trt: Any, gpu: cuda.Cuda, precision: str) -> str:
        return f"TensorRT {trt.__version__} ({precision}) on {gpu.name}"


@dataclass
class _TensorRtByOnnxRuntime:
    """TensorRT by ONNX Runtime, which keeps its engine files itself."""

    source: Source
    folder: Path
    uid: int
    device: str = "TensorRT by ONNX Runtime"

    def open(self) -> tuple[Network, str]:
        gpu = self._gpu()
        files = self._files(gpu)
        record = _fit(files.record())
        network = self._loaded(files.built_cache(record), record.precision)
        return network, self._named(gpu, record.precision)

    def prepare(self, judge: Judge, progress: Progress) -> tuple[Network, str]:
        gpu = self._gpu()
        files = self._files(gpu)
        files.forget()

        def make(precision: Precision) -> Network:
            folder = files.make_cache()
            progress(f"building in {precision}", 0, 0)
            network = self._loaded(folder, precision)
            files.keep(judge(network), precision, None)
            return network

        network, precision = _first(make)
        return network, self._named(gpu, precision)

    def _gpu(self) -> cuda.Cuda:
        if "TensorrtExecutionProvider" not in onnx_runtime.providers():
            raise ModelError(
                f"The installed ONNX Runtime {onnx_runtime.version()} was built without TensorRT."
            )
        return cuda.Cuda(cuda.driver())

    def _loaded(self, folder: Path, precision: Precision) -> Network:
        provider = onnx_runtime.tensorrt(folder, half=precision == "fp16")
        return _by_onnx_runtime(self.source, provider)

    def _files(self, gpu: cuda.Cuda) -> EngineFiles:
        versions = {"onnxruntime": onnx_runtime.version(), "tensorrt": tensorrt_engine.libraries()}
        parts = {"by": "onnxruntime", **versions, **_gpu(gpu)}
        return EngineFiles(self.folder, key_of(parts | _of(self.source)), self.uid)

    def _named(self, gpu: cuda.Cuda, precision: str) -> str:
        return f"TensorRT by ONNX Runtime {onnx_runtime.version()} ({precision}) on {gpu.name}"


@dataclass
class _CudaByOnnxRuntime:
    """CUDA by ONNX Runtime: there is nothing to build."""

    source: Source
    device: str = "CUDA by ONNX Runtime"

    def open(self) -> tuple[Network, str]:
        network = _by_onnx_runtime(self.source, onnx_runtime.CUDA)
        return network, f"{self.device} {onnx_runtime.version()}"

    def prepare(self, judge: Judge, progress: Progress) -> tuple[Network, str]:
        del progress
        opened = self.open()
        judge(opened[0])
        return opened


def _by_onnx_runtime(source: Source, provider: onnx_runtime.Provider) -> Network:
    return onnx_runtime.OnnxModel(
        source.twin, name=source.entry.name, provider=provider, threads=source.threads
    )


def _original(source: Source) -> TfliteModel:
    return TfliteModel(source.content, name=source.entry.name, threads=source.threads)


def _prepared(way: Way, original: Network, entry: Entry, progress: Progress) -> Attempt:
    found: list[Parity] = []

    def judge(network: Network) -> Parity:
        found.append(compare(network, original, entry))
        return _required(found[-1])

    try:
        network, device = way.prepare(judge, progress)
    except ModelError as error:
        return Attempt(way.device, None, found[-1] if found else None, _clause(error))
    return Attempt(device, network, found[-1])


def _opened(way: Way, original: Network, entry: Entry) -> Placed | str:
    """The network by one way, or why not as a clause."""
    try:
        network, device = way.open()
        return Placed(network, Processor(device, _required(compare(network, original, entry))))
    except ModelError as error:
        return _clause(error)


def _first(makes: Callable[[Precision], Network]) -> tuple[Network, Precision]:
    """What comes of FP16 where that agrees with the CPU, else of FP32. ModelError of the latter."""
    with suppress(ModelError):
        return makes("fp16"), "fp16"
    # Not where the error is caught: it holds on to what failed, and the GPU's memory with it.
    return makes("fp32"), "fp32"


def _required(parity: Parity) -> Parity:
    if not parity.holds:
        raise ModelError(
            f"It computes something else than the CPU: {parity}, and {LEAST_COSINE} is needed.",
            hint="Templates and thresholds would not hold.",
            code="no_parity",
        )
    return parity


def _fit(record: Record) -> Record:
    """The record, where it says that the engine agreed; a fault of the file is told as one."""
    if record.least_cosine < LEAST_COSINE:
        raise ModelError("Its record says that it does not agree with the CPU.")
    return record


def _gpu(gpu: cuda.Cuda) -> dict[str, str]:
    return {"gpu": gpu.name, "capability": gpu.capability}


def _of(source: Source) -> dict[str, str]:
    twin = source.entry.twin
    return {"twin": "" if twin is None else twin.sha256}


def _clause(error: ModelError) -> str:
    """An error as a clause; what a person can do about it goes with it."""
    text = error.message.rstrip(".")
    return f"{text} ({error.hint.rstrip('.')})" if error.code == "not_prepared" else text

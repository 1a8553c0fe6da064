"""From an aligned crop to a point on the unit sphere.

MobileFaceNet: Chen et al., arXiv:1804.07573. OpenFace nn4.small2: Amos et al.,
CMU-CS-16-118, after FaceNet (Schroff et al., arXiv:1503.03832).
"""

from __future__ import annotations

import numpy as np

from appliance.errors import ModelError
from appliance.types import Embedding, FaceCrop, Floats
from appliance.vision.interpreter import Network, network_input
from appliance.vision.manifest import Entry
from appliance.vision.processor import Processor


class TfliteEmbedder:
    """An embedding network of the manifest, whatever runs it; port Embedder."""

    def __init__(
        self, entry: Entry, model: Network, fingerprint: str, processor: Processor | None = None
    ) -> None:
        """processor: where `model` runs; None: on the CPU."""
        self._entry = entry
        self._model = model
        self.name = entry.name
        self.alignment = entry.alignment.name
        self.fingerprint = fingerprint
        self.processor = processor or Processor()

    def embed(self, crop: FaceCrop) -> Embedding:
        """Embed one crop. ModelError when its alignment is not the model's."""
        if crop.alignment != self.alignment:
            raise ModelError(
                f"The model {self.name!r} needs crops aligned by {self.alignment!r}, "
                f"not {crop.alignment!r}."
            )
        (output, *_) = self._model.run(network_input(crop.bgr, self._entry))
        return Embedding(unit(output.reshape(-1)), self.fingerprint)


def unit(vector: Floats) -> Floats:
    """The vector scaled to Euclidean norm 1."""
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm < 1e-6:
        raise ModelError("The embedding network gave a vector without direction.")
    return np.asarray(vector / norm, dtype=np.float32)

"""Data that comes with the package.

**digits**: the 1,797 images of the test set of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak,
UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49, licensed CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). 13 people wrote digits; NIST's programs made each a 32x32 bitmap;
counting the set pixels in its 4x4 blocks gave 8x8 images of integers from 0 to 16. Here they are stored as uint8 in a
compressed .npz, otherwise unchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from retrograd import _core
from retrograd._core import Tensor

__all__ = ["Digits", "digits"]


class Digits(NamedTuple):
    """Images and what they show.

    Attributes:
        images: float32 (1797, 8, 8), from 0 (paper) to 1 (ink).
        labels: int64 (1797,), from 0 to 9.
    """

    images: Tensor
    labels: Tensor


def digits() -> Digits:
    """The 1,797 handwritten digits of Alpaydin and Kaynak; source and licence are in this module's docstring.

    Example:
        >>> from retrograd.datasets import digits
        >>> images, labels = digits()
        >>> tuple(images.shape), tuple(labels.shape)
        ((1797, 8, 8), (1797,))
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as stored:
        images = stored["images"].astype(np.float32) / np.float32(16)
        labels = stored["labels"].astype(np.int64)
    return Digits(_core.from_numpy(images), _core.from_numpy(labels))

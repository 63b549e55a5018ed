"""From a box to a mask: OpenCV's GrabCut, an optional extra."""

from __future__ import annotations

import importlib.util

import numpy as np
from jaxtyping import Bool, UInt8

from wiseft_jax.backgrounds.tiling import Box, check_box
from wiseft_jax.core.errors import InputError

ITERATIONS = 5
_SEED = 0


class SegmentationError(RuntimeError):
    """GrabCut found no mask; says why."""


def require_opencv() -> None:
    """Raise unless OpenCV is installed.

    Raises:
      InputError: Says how to install it.
    """
    if importlib.util.find_spec("cv2") is None:
        raise InputError(
            "--segment grabcut needs OpenCV, which is not installed: pip install"
            " 'wiseft-jax[segment]'"
        )


def grab_cut(image: UInt8[np.ndarray, "H W 3"], box_xyxy: Box) -> Bool[np.ndarray, "H W"]:
    """Return where the object in a box is (Rother, Kolmogorov and Blake 2004), as the paper does.

    The same image and box give the same mask, whatever was cut before and on however many threads:
    OpenCV's generator, which is a thread's own, is seeded each time.

    Args:
      image: RGB.
      box_xyxy: ``(x0, y0, x1, y1)``, half-open.

    Raises:
      InputError: OpenCV isn't there; the box isn't in the image, or leaves nothing of it.
      SegmentationError: OpenCV gives up, or finds nothing in the box.

    Source: Xiao et al. 2020 (arXiv 2006.09994), appendix A.
    """
    require_opencv()
    import cv2

    x0, y0, x1, y1 = check_box(box_xyxy, *image.shape[:2])
    found = np.zeros(image.shape[:2], np.uint8)
    background, foreground = np.zeros((1, 65), np.float64), np.zeros((1, 65), np.float64)
    bgr = np.ascontiguousarray(image[..., ::-1])
    rect = (x0, y0, x1 - x0, y1 - y0)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        cv2.setRNGSeed(_SEED)
        cv2.grabCut(bgr, found, rect, background, foreground, ITERATIONS, cv2.GC_INIT_WITH_RECT)
    except cv2.error as error:
        reason = str(error).strip().splitlines()[-1]
        raise SegmentationError(f"GrabCut gave up ({reason})") from None
    finally:
        cv2.setNumThreads(threads)
    mask = (found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)
    if not mask.any():
        raise SegmentationError("GrabCut found no object in the box")
    return mask

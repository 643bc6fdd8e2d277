"""Times each kernel on the first card, for a batch of 32 pictures of 1920 x 1080, beside the time its bytes alone take.

    python benchmarks/kernels.py

The floor is every byte read and written once, at the rate that a large copy inside the same card reaches.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from cuda.bindings import driver

from stages.buffers import BufferPool
from stages.buffers.cuda import CudaDevice
from stages.detect.heads.device.yunet import DeviceYuNetHead
from stages.detect.heads.yunet import STRIDES
from stages.imaging.colour import Encoding, Matrix, YuvSamples
from stages.imaging.device.imaging import DeviceImaging
from stages.imaging.device.picture import DevicePicture, SurfaceLayout
from stages.imaging.device.tensor import UINT8_BGR, TensorFormat
from stages.imaging.letterbox import DetectorInput
from stages.imaging.orientation import Orientation

BATCH, REPEATS, FACES, CROP_SIZE = 32, 50, 64, 112
INPUT = DetectorInput(longest=640)


class Bench:
    """One card and what its memory can do."""

    def __init__(self) -> None:
        self.device = CudaDevice(0)
        self.stream = self.device.create_stream()
        self._ballast = self.device.allocate((8 << 30,))
        half = self._ballast.nbytes // 2
        copy = self.microseconds(
            lambda: driver.cuMemcpyDtoDAsync(
                self._ballast.pointer, self._ballast.pointer + half, half, self.stream.handle
            )
        )
        self._bytes_per_microsecond = 2 * half / copy
        print(f"{self.device.name}: copies at {self._bytes_per_microsecond / 1e6:.2f} TB/s, read and written")

    def microseconds(self, work: Callable[[], object]) -> float:
        """Median time on the card of what one call queues."""
        times = []
        for _ in range(REPEATS):
            # Keeps the card busy while Python queues the call, so that its time is not in the measurement.
            self.stream.fill(self._ballast, 0)
            start = self.stream.record(timed=True)
            work()
            end = self.stream.record(timed=True)
            end.synchronize()
            times.append(end.milliseconds_since(start) * 1000)
        return statistics.median(times)

    def host_microseconds(self, work: Callable[[], object]) -> float:
        """Median time that the calling thread spends in one call."""
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            work()
            times.append((time.perf_counter() - start) * 1e6)
            self.stream.synchronize()
        return statistics.median(times)

    def report(self, name: str, nbytes: int, work: Callable[[], object]) -> None:
        took, floor = self.microseconds(work), nbytes / self._bytes_per_microsecond
        host = self.host_microseconds(work)
        print(f"{name:34} {took:8.1f} us, {took / floor:6.1f} x floor {floor:5.1f} us; host {host:6.1f} us a call")

    def pictures(self, samples: YuvSamples, seed: int = 0) -> list[DevicePicture]:
        """A batch of noise."""
        sample_bytes = np.dtype(samples.dtype).itemsize
        layout = SurfaceLayout(1920, 1080, 2048 * sample_bytes, samples, Encoding(Matrix.ITU709, False), Orientation())
        pool = BufferPool(BATCH, lambda: self.device.allocate((layout.nbytes,)), free=self.device.free)
        noise = self.device.allocate_pinned((layout.nbytes,))
        noise.array[:] = np.random.default_rng(seed).integers(0, 256, layout.nbytes, np.uint8)
        pictures = []
        for _ in range(BATCH):
            lease = pool.lease(stream=self.stream)
            self.stream.upload(noise, lease.buffer)
            pictures.append(DevicePicture(lease, layout, self.stream.record()))
        return pictures

    def imaging(self, pictures: list[DevicePicture], form: TensorFormat) -> None:
        layout = pictures[0].layout
        imaging = DeviceImaging(
            self.device, detector_input=INPUT, max_batch=BATCH, crop_size=CROP_SIZE, max_crops=FACES, tensor_format=form
        )
        kind = f"{layout.samples.bits} bit to {form.dtype}"
        read = BATCH * layout.row_bytes * (layout.height + layout.chroma_rows)
        written = BATCH * 640 * 384 * 3 * form.element.itemsize
        self.report(f"letterbox, {kind}", read + written, lambda: imaging.letterbox(pictures, stream=self.stream))
        for scale in (0.8, 2.0, 5.0):
            self.crops(imaging, pictures, scale, form, kind)
        imaging.close()

    def crops(
        self, imaging: DeviceImaging, pictures: list[DevicePicture], scale: float, form: TensorFormat, kind: str
    ) -> None:
        transform = np.array([[[scale, 0.1, 600], [-0.1, scale, 300]]] * (FACES // BATCH), np.float32)
        covered = int((CROP_SIZE * scale) ** 2 * 1.5) * pictures[0].layout.sample_bytes
        nbytes = FACES * (covered + CROP_SIZE**2 * 3 * form.element.itemsize)
        self.report(
            f"{FACES} crops at {scale} px, {kind}",
            nbytes,
            lambda: imaging.crop(pictures, [transform] * BATCH, CROP_SIZE, stream=self.stream),
        )

    def yunet(self) -> None:
        """Two faces a frame, ten candidates each."""
        head = DeviceYuNetHead(self.device, detector_input=INPUT, max_batch=BATCH, score_threshold=0.6, nms_iou=0.3)
        rng = np.random.default_rng(1)
        height, width = 384, 640
        outputs = {}
        for stride in STRIDES:
            cells = height // stride * (width // stride)
            for kind, depth in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
                values = rng.random((BATCH, cells, depth), np.float32) * np.float32(0.5)
                if stride == STRIDES[0] and depth == 1:
                    for face in (1000, 3010):
                        values[:, face : face + 10] = 0.9
                if kind == "bbox":
                    values[..., 2:] = 3.5
                pinned = self.device.allocate_pinned(values.shape, values.dtype)
                pinned.array[...] = values
                outputs[f"{kind}_{stride}"] = self.device.allocate(values.shape, values.dtype)
                self.stream.upload(pinned, outputs[f"{kind}_{stride}"])
        places = [INPUT.fit(1920, 1080)] * BATCH
        scores = sum(output.nbytes for output in outputs.values() if output.shape[2] == 1)
        host = self.host_microseconds(lambda: head.decode(outputs, places, (height, width), stream=self.stream))
        floor = scores / self._bytes_per_microsecond
        print(f"YuNet head, from call to faces     {host:8.1f} us on the host, waiting included (floor {floor:.1f} us)")


def main() -> None:
    bench = Bench()
    for samples in (YuvSamples(8, 0, is_semi_planar=True), YuvSamples(10, 6, is_semi_planar=True)):
        pictures = bench.pictures(samples)
        for form in (UINT8_BGR, TensorFormat("float16", is_rgb=True)):
            bench.imaging(pictures, form)
    bench.yunet()


if __name__ == "__main__":
    main()

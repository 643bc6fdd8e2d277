// Square crops of faces, upright and aligned, of a whole batch: one pass from NV12 or P010 to the embedder's input.
//
// Grid: (ceil(size * size / 256), crops); block: 256; one thread a crop pixel.
// Where a crop pixel covers k x k source pixels it is the mean of samples x samples bilinear samples, samples =
// round(k), from 1 to 8. What lies beyond the picture is black.

#include "tensor.cuh"

// Laid out as numpy's `CROP` in stages/imaging/device/descriptors.py.
struct Crop {
    Map map;  // the face's similarity transform and the stored picture's rotation, in one
    int picture;
    int samples;
};
static_assert(sizeof(Crop) == 32, "laid out as numpy's CROP");

extern "C" __global__ void crop(const Picture* __restrict__ pictures, const Crop* __restrict__ crops,
                                Element* __restrict__ tensor, int size) {
    const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= size * size) return;
    const Crop& wanted = crops[blockIdx.y];
    const int row = pixel / size, column = pixel % size;
    const Colour colour =
        mean_colour<true>(pictures[wanted.picture], wanted.map, column, row, wanted.samples, wanted.samples);
    store(tensor, blockIdx.y, size, size, row, column, colour);
}

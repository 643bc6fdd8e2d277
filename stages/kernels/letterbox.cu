// Whole pictures, scaled into a detector's input with a constant around them: one pass from NV12 or P010 to the tensor.
//
// Grid: (ceil(width / 32), ceil(height / 8), pictures); block: (32, 8); one thread an output pixel.
// Each pixel of the content is the mean of samples_x x samples_y bilinear samples of the picture, samples = ceil(1 /
// scale), at most 8 each way: an area mean for every scale down to 1/8.

#include "tensor.cuh"

// Laid out as numpy's `LETTERBOX` in stages/imaging/descriptors.py.
struct Letterbox {
    Picture picture;
    Map map;                            // upright scaling and the stored picture's rotation, in one
    int left, top, right, bottom;       // the content, in pixels of the tensor; right and bottom excluded
    int samples_x, samples_y;           // along the tensor's axes
};
static_assert(sizeof(Letterbox) == 128, "laid out as numpy's LETTERBOX");

extern "C" __global__ void letterbox(const Letterbox* __restrict__ letterboxes, Element* __restrict__ tensor,
                                     int height, int width, float pad) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    const int row = blockIdx.y * blockDim.y + threadIdx.y;
    if (column >= width || row >= height) return;
    const Letterbox& box = letterboxes[blockIdx.z];
    Colour colour = {pad, pad, pad};
    if (column >= box.left && column < box.right && row >= box.top && row < box.bottom) {
        colour = mean_colour<false>(box.picture, box.map, column, row, box.samples_x, box.samples_y);
    }
    store(tensor, blockIdx.z, height, width, row, column, colour);
}

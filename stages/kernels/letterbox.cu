// Whole pictures, scaled into a detector's input with a constant around them: one pass from NV12 or P010 to the tensor.
//
// Grid: (ceil(width / 32), ceil(height / 32), pictures); block: (32, 8); a thread makes four pixels of a column, so that
// the weights of a block's columns and rows, worked out once, serve 1024 pixels.
// Each pixel of the content is the mean of samples_x x samples_y bilinear samples of the picture, samples = ceil(1 /
// scale), at most 8 each way: an area mean for every scale down to 1/8.

#include "separable.cuh"
#include "tensor.cuh"

constexpr int COLUMNS = PLACES, ROWS = PLACES;  // of a block
constexpr float MAX_SLOPE = 8.0f;  // source pixels a pixel; beyond, 8 samples leave gaps and MAX_TAPS is too few

// Laid out as numpy's `LETTERBOX` in stages/imaging/device/descriptors.py.
struct Letterbox {
    Picture picture;
    Map map;                       // upright scaling and the stored picture's rotation, in one
    int left, top, right, bottom;  // the content, in pixels of the tensor; right and bottom excluded
    int samples_x, samples_y;      // along the tensor's axes
};
static_assert(sizeof(Letterbox) == 128, "laid out as numpy's LETTERBOX");

extern "C" __global__ void letterbox(const Letterbox* __restrict__ letterboxes, Element* __restrict__ tensor,
                                     int height, int width, float pad) {
    __shared__ Axis luma_across, chroma_across, luma_down, chroma_down;
    const Letterbox& box = letterboxes[blockIdx.z];
    const Picture& picture = box.picture;
    const int column = blockIdx.x * COLUMNS + threadIdx.x;
    const int first_row = blockIdx.y * ROWS;

    // Turned by a quarter, the tensor's columns run along the stored picture's rows.
    const bool is_turned = box.map.xx == 0.0f;
    const Line across = is_turned ? Line(box.map.yx, box.map.y0, box.samples_x, picture.height)
                                  : Line(box.map.xx, box.map.x0, box.samples_x, picture.width);
    const Line down = is_turned ? Line(box.map.xy, box.map.x0, box.samples_y, picture.width)
                                : Line(box.map.yy, box.map.y0, box.samples_y, picture.height);
    const Line across_chroma = across.of_chroma(), down_chroma = down.of_chroma();
    const bool is_dense = fabsf(across.slope) <= MAX_SLOPE && fabsf(down.slope) <= MAX_SLOPE;
    if (is_dense) {
        switch (threadIdx.y) {  // a warp each
            case 0: weigh(luma_across, threadIdx.x, across, column); break;
            case 1: weigh(chroma_across, threadIdx.x, across_chroma, column); break;
            case 2: weigh(luma_down, threadIdx.x, down, first_row + threadIdx.x); break;
            case 3: weigh(chroma_down, threadIdx.x, down_chroma, first_row + threadIdx.x);
        }
    }
    __syncthreads();
    if (column >= width) return;

    const bool is_in_content = column >= box.left && column < box.right;
    for (int slot = threadIdx.y; slot < ROWS && first_row + slot < height; slot += blockDim.y) {
        const int row = first_row + slot;
        Colour colour = {pad, pad, pad};
        if (is_in_content && row >= box.top && row < box.bottom) {
            if (is_dense) {
                const Weights a(luma_across, threadIdx.x, across), d(luma_down, slot, down);
                const Weights ca(chroma_across, threadIdx.x, across_chroma), cd(chroma_down, slot, down_chroma);
                // By value: a reference to either would keep them in local memory.
                colour = weighted_colour(picture, is_turned ? d : a, is_turned ? a : d, is_turned ? cd : ca,
                                         is_turned ? ca : cd);
            } else {
                colour = mean_colour<false>(picture, box.map, column, row, box.samples_x, box.samples_y);
            }
        }
        store(tensor, blockIdx.z, height, width, row, column, colour);
    }
}

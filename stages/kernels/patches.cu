// Gray patches around faces, for tracking: cut out of the luma alone, turned upright, one byte a pixel.
//
// Grid: (ceil(width * height / 256), patches); block: 256; one thread a pixel of a patch.
// A pixel is a bilinear sample of a region shrunken by a whole factor, each sample of which is the mean of factor x
// factor stored ones. Beyond the region lies black. stages/imaging/cut.py chooses the region.

#include "picture.cuh"

// Laid out as numpy's `PATCH` in stages/imaging/device/descriptors.py.
struct Patch {
    Map map;  // (column, row) of the patch to indices of the shrunken region
    int picture;
    int factor;
    int left, top;      // the region's first stored sample
    int columns, rows;  // of the shrunken region; none where the patch lies wholly outside
};
static_assert(sizeof(Patch) == 48, "laid out as numpy's PATCH");

template <typename Sample>
__device__ float shrunken(const Picture& picture, const Patch& patch, int column, int row) {
    if (column < 0 || column >= patch.columns || row < 0 || row >= patch.rows) return picture.black;
    const int left = patch.left + column * patch.factor, top = patch.top + row * patch.factor;
    float sum = 0.0f;
    for (int y = top; y < top + patch.factor; ++y) {
        const Sample* line = row_of<Sample>(picture.luma, picture.pitch, y) + left;
        unsigned along = 0;
        for (int i = 0; i < patch.factor; ++i) along += line[i];
        sum += (float)along;
    }
    return sum / ((float)patch.factor * (float)patch.factor);
}

template <typename Sample>
__device__ float luma_at(const Picture& picture, const Patch& patch, float x, float y) {
    const float left = floorf(x), top = floorf(y);
    const int column = (int)left, row = (int)top;
    const float above = lerp(shrunken<Sample>(picture, patch, column, row),
                             shrunken<Sample>(picture, patch, column + 1, row), x - left);
    const float below = lerp(shrunken<Sample>(picture, patch, column, row + 1),
                             shrunken<Sample>(picture, patch, column + 1, row + 1), x - left);
    return lerp(above, below, y - top);
}

extern "C" __global__ void patches(const Picture* __restrict__ pictures, const Patch* __restrict__ wanted,
                                   unsigned char* __restrict__ gray, int width, int height) {
    const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= width * height) return;
    const Patch& patch = wanted[blockIdx.y];
    const Picture& picture = pictures[patch.picture];
    const float column = (float)(pixel % width), row = (float)(pixel / width);
    const float x = patch.map.xx * column + patch.map.xy * row + patch.map.x0;
    const float y = patch.map.yx * column + patch.map.yy * row + patch.map.y0;
    float luma = picture.black;
    // Far outside, coordinates are beyond what an int holds.
    if (x > -1.0f && x < (float)patch.columns && y > -1.0f && y < (float)patch.rows) {
        luma = picture.sample_bytes == 1 ? luma_at<unsigned char>(picture, patch, x, y)
                                         : luma_at<unsigned short>(picture, patch, x, y);
    }
    gray[(long long)blockIdx.y * width * height + pixel] = byte_of(picture, luma);
}

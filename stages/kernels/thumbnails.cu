// Whole pictures as small gray ones, for tracking: mean luma, turned upright, one byte a pixel.
//
// Grid: (ceil(width * height / 256), pictures); block: 256; one thread a pixel of a thumbnail.
// A pixel is the mean of what it covers of the picture's every `stride`th sample, in parts where it covers parts.

#include "picture.cuh"

// Laid out as numpy's `THUMBNAIL` in stages/imaging/device/descriptors.py.
struct Thumbnail {
    Picture picture;
    Map map;            // (column, row) of the upright thumbnail to those of the stored one: whole numbers
    int width, height;  // of the stored one
    int stride;
    int padding[3];
};
static_assert(sizeof(Thumbnail) == 128, "laid out as numpy's THUMBNAIL");

struct Share {  // of `size` samples in a row, what cell `place` of `cells` equal ones covers
    int first, end;  // the samples it touches, `end` excluded
    float from, to;

    __device__ Share(int place, int cells, int size)
        : first(place * size / cells),
          end(((place + 1) * size + cells - 1) / cells),
          from((float)(place * size) / (float)cells),
          to((float)((place + 1) * size) / (float)cells) {}

    __device__ float of(int index) const { return fminf((float)(index + 1), to) - fmaxf((float)index, from); }
};

template <typename Sample>
__device__ float mean_luma(const Picture& picture, int stride, const Share& across, const Share& down) {
    float sum = 0.0f;
    for (int row = down.first; row < down.end; ++row) {
        const Sample* line = row_of<Sample>(picture.luma, picture.pitch, row * stride);
        float along = 0.0f;
        for (int column = across.first; column < across.end; ++column) {
            along += across.of(column) * (float)line[column * stride];
        }
        sum += down.of(row) * along;
    }
    return sum / ((across.to - across.from) * (down.to - down.from));
}

extern "C" __global__ void thumbnails(const Thumbnail* __restrict__ wanted, unsigned char* __restrict__ gray, int width,
                                      int height) {
    const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= width * height) return;
    const Thumbnail& thumbnail = wanted[blockIdx.y];
    const Picture& picture = thumbnail.picture;
    const Map& map = thumbnail.map;
    const float column = (float)(pixel % width), row = (float)(pixel / width);
    const int x = (int)(map.xx * column + map.xy * row + map.x0), y = (int)(map.yx * column + map.yy * row + map.y0);
    const int stride = thumbnail.stride;
    const Share across(x, thumbnail.width, (picture.width + stride - 1) / stride);
    const Share down(y, thumbnail.height, (picture.height + stride - 1) / stride);
    const float luma = picture.sample_bytes == 1 ? mean_luma<unsigned char>(picture, stride, across, down)
                                                 : mean_luma<unsigned short>(picture, stride, across, down);
    gray[(long long)blockIdx.y * width * height + pixel] = byte_of(picture, luma);
}

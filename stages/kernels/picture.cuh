// A picture in device memory, and what a place in it looks like.
//
// Coordinates are pixel indices of the stored picture: the centre of the first luma sample is (0, 0). A chroma sample
// stands for 2 x 2 luma samples and is taken to lie in their middle: chroma index = (luma index + 0.5) / 2 - 0.5.

#pragma once

#include "tones.cuh"

// NV12 (bytes) or P010 to P016 (values in the high bits of 16-bit words). Laid out as numpy's `PICTURE` in
// stages/imaging/device/descriptors.py.
struct Picture {
    unsigned long long luma;    // address of the first sample
    unsigned long long chroma;  // address of the first (U, V) pair
    int pitch;                  // bytes from a row to the next, in both planes; a multiple of 4
    int width, height;          // luma samples; chroma has half of each, rounded up
    int sample_bytes;           // 1 or 2
    float black, neutral;       // stored values of black luma and grey chroma
    float to_bgr[3][3];         // from (Y - black, U - neutral, V - neutral) to B, G, R, 0 to 255
    int tones;                  // 0: as it is; else what `map_tones` takes
};
static_assert(sizeof(Picture) == 80, "laid out as numpy's PICTURE");

struct Map {  // (column, row, 1) of the output to (x, y) of the stored picture
    float xx, xy, x0;
    float yx, yy, y0;
};

template <typename Sample>
struct alignas(2 * sizeof(Sample)) Pair {
    Sample u, v;
};

// Between 2^23 and 2^24 a float's unit is 1, so its low bits are an integer. Going through there takes ordinary additions;
// the conversion instructions run at a quarter of their rate and were most of these kernels' time.
constexpr float UNIT_FLOAT = 8388608.0f;  // 2^23

__device__ inline float to_float(unsigned value) {  // 0 <= value < 2^23
    return __uint_as_float(__float_as_uint(UNIT_FLOAT) | value) - UNIT_FLOAT;
}

__device__ inline float floor_of(float x, int& whole) {  // 0 <= x < 2^22
    const float shifted = __fadd_rd(x, UNIT_FLOAT);
    whole = __float_as_int(shifted) & 0x7fffff;
    return shifted - UNIT_FLOAT;
}

__device__ inline float lerp(float a, float b, float t) { return a + t * (b - a); }

// Share of a one-pixel bilinear kernel at `x` that lies on samples 0 .. size - 1.
__device__ inline float coverage(float x, int size) { return __saturatef(fminf(x + 1.0f, (float)size - x)); }

// The two samples around `x`, repeated at the border, and how far `x` lies towards the second.
struct Taps {
    int low, high;
    float towards_high;

    __device__ Taps(float x, int size) {
        x = fminf(fmaxf(x, 0.0f), to_float(size - 1));
        towards_high = x - floor_of(x, low);
        high = min(low + 1, size - 1);
    }
};

template <typename T>
__device__ inline const T* row_of(unsigned long long plane, int pitch, int row) {
    return reinterpret_cast<const T*>(plane + (unsigned long long)row * (unsigned)pitch);
}

// Luma as one byte: of deep samples, whose values lie in the high bits, the high byte.
__device__ inline unsigned char byte_of(const Picture& picture, float luma) {
    const int value = __float2int_rn(luma);
    return (unsigned char)(picture.sample_bytes == 1 ? value : value >> 8);
}

// From (Y - black, U - neutral, V - neutral).
__device__ inline Colour colour_of(const Picture& picture, float luma, float u, float v) {
    float bgr[3];
    for (int i = 0; i < 3; ++i) {
        const float* gain = picture.to_bgr[i];
        bgr[i] = fminf(fmaxf(gain[0] * luma + gain[1] * u + gain[2] * v, 0.0f), 255.0f);
    }
    const Colour colour = {bgr[0], bgr[1], bgr[2]};
    return picture.tones ? map_tones(picture.tones, colour) : colour;  // one branch for a whole block, too
}

// Mean of samples_x x samples_y bilinear samples, evenly spread over the output pixel (column, row).
// With OUTSIDE_IS_BLACK, what lies beyond the picture counts as black; otherwise the border is repeated.
template <typename Sample, bool OUTSIDE_IS_BLACK>
__device__ Colour mean_colour_of(const Picture& picture, const Map& map, int column, int row, int samples_x,
                                 int samples_y) {
    const int chroma_width = (picture.width + 1) / 2;
    const int chroma_height = (picture.height + 1) / 2;
    const float step_x = 1.0f / (float)samples_x, step_y = 1.0f / (float)samples_y;
    float luma = 0.0f, u = 0.0f, v = 0.0f;
    for (int j = 0; j < samples_y; ++j) {
        const float out_y = (float)row + ((float)j + 0.5f) * step_y - 0.5f;
        for (int i = 0; i < samples_x; ++i) {
            const float out_x = (float)column + ((float)i + 0.5f) * step_x - 0.5f;
            const float x = map.xx * out_x + map.xy * out_y + map.x0;
            const float y = map.yx * out_x + map.yy * out_y + map.y0;
            const Taps at_x(x, picture.width), at_y(y, picture.height);
            const Sample* above = row_of<Sample>(picture.luma, picture.pitch, at_y.low);
            const Sample* below = row_of<Sample>(picture.luma, picture.pitch, at_y.high);
            const float luma_here = lerp(lerp(to_float(above[at_x.low]), to_float(above[at_x.high]), at_x.towards_high),
                                         lerp(to_float(below[at_x.low]), to_float(below[at_x.high]), at_x.towards_high),
                                         at_y.towards_high);

            const float cx = (x + 0.5f) * 0.5f - 0.5f, cy = (y + 0.5f) * 0.5f - 0.5f;
            const Taps at_cx(cx, chroma_width), at_cy(cy, chroma_height);
            const Pair<Sample>* c_above = row_of<Pair<Sample>>(picture.chroma, picture.pitch, at_cy.low);
            const Pair<Sample>* c_below = row_of<Pair<Sample>>(picture.chroma, picture.pitch, at_cy.high);
            const Pair<Sample> a = c_above[at_cx.low], b = c_above[at_cx.high];
            const Pair<Sample> c = c_below[at_cx.low], d = c_below[at_cx.high];
            const float u_here = lerp(lerp(to_float(a.u), to_float(b.u), at_cx.towards_high),
                                      lerp(to_float(c.u), to_float(d.u), at_cx.towards_high), at_cy.towards_high);
            const float v_here = lerp(lerp(to_float(a.v), to_float(b.v), at_cx.towards_high),
                                      lerp(to_float(c.v), to_float(d.v), at_cx.towards_high), at_cy.towards_high);

            // At the border `Taps` repeats the last sample; its share alone is that sample beside a black neighbour.
            const float inside = OUTSIDE_IS_BLACK ? coverage(x, picture.width) * coverage(y, picture.height) : 1.0f;
            const float c_inside = OUTSIDE_IS_BLACK ? coverage(cx, chroma_width) * coverage(cy, chroma_height) : 1.0f;
            luma += inside * (luma_here - picture.black);
            u += c_inside * (u_here - picture.neutral);
            v += c_inside * (v_here - picture.neutral);
        }
    }
    const float share = step_x * step_y;
    return colour_of(picture, luma * share, u * share, v * share);
}

template <bool OUTSIDE_IS_BLACK>
__device__ Colour mean_colour(const Picture& picture, const Map& map, int column, int row, int samples_x,
                              int samples_y) {
    // One branch for a whole block: a block works on one picture.
    return picture.sample_bytes == 1
               ? mean_colour_of<unsigned char, OUTSIDE_IS_BLACK>(picture, map, column, row, samples_x, samples_y)
               : mean_colour_of<unsigned short, OUTSIDE_IS_BLACK>(picture, map, column, row, samples_x, samples_y);
}

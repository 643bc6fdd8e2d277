// The mean of a pixel's bilinear samples where the map neither shears nor turns by other than quarter turns: the same
// sum as `mean_colour`, ordered so that each stored sample under the pixel is read once, with a weight for its column
// and one for its row. A block works the weights of its columns and rows out once, in shared memory.

#pragma once

#include "picture.cuh"

constexpr int MAX_TAPS = 9;  // of a pixel on one axis: 8 samples over less than 8 source pixels

constexpr int PLACES = 32;

struct Axis {           // weights of PLACES output columns or rows
    int first[PLACES];  // the first stored column or row that counts
    float weights[MAX_TAPS][PLACES];
};

// A line of samples along one axis of the output: sample position = slope * output index + origin.
struct Line {
    float slope, origin;
    int samples, size;
    float step;  // from a sample to the next, in output pixels

    __device__ Line(float slope, float origin, int samples, int size)
        : slope(slope), origin(origin), samples(samples), size(size), step(1.0f / (float)samples) {}

    // How many stored samples a pixel touches. The tolerance keeps a slope of 3.0000001 from touching one more.
    __device__ int taps() const {
        const float span = fabsf(slope) * (1.0f - step);
        return min((int)ceilf(span - 1e-4f) + 2, MAX_TAPS);
    }

    __device__ float at(int place, int sample) const {
        const float out = (float)place + ((float)sample + 0.5f) * step - 0.5f;
        return fminf(fmaxf(slope * out + origin, 0.0f), (float)(size - 1));
    }

    __device__ Line of_chroma() const { return Line(slope * 0.5f, origin * 0.5f - 0.25f, samples, (size + 1) / 2); }
};

__device__ inline void weigh(Axis& axis, int slot, const Line& line, int place) {
    const int first = (int)fminf(line.at(place, 0), line.at(place, line.samples - 1));
    axis.first[slot] = first;
    const int taps = line.taps();
#pragma unroll 1
    for (int tap = 0; tap < taps; ++tap) {
        float weight = 0.0f;
#pragma unroll 1
        for (int i = 0; i < line.samples; ++i) {
            weight += fmaxf(0.0f, 1.0f - fabsf(line.at(place, i) - (float)(first + tap)));
        }
        axis.weights[tap][slot] = weight * line.step;
    }
}

// One pixel's weights along one axis of the stored picture.
struct Weights {
    int first, last;  // `last` is the plane's; weights beyond it are 0
    int taps;
    const float* values;

    __device__ Weights(const Axis& axis, int slot, const Line& line)
        : first(axis.first[slot]), last(line.size - 1), taps(line.taps()), values(&axis.weights[0][slot]) {}

    __device__ float operator[](int tap) const { return values[tap * PLACES]; }
    __device__ int index(int tap) const { return min(first + tap, last); }
};

template <typename Sample>
__device__ float weighted_luma(const Picture& picture, const Weights& x, const Weights& y) {
    float sum = 0.0f;
#pragma unroll 1  // unrolled by columns alone: by rows too, the code outgrows the instruction cache
    for (int j = 0; j < y.taps; ++j) {
        const Sample* row = row_of<Sample>(picture.luma, picture.pitch, y.index(j));
        float along = 0.0f;
        for (int i = 0; i < x.taps; ++i) along += x[i] * to_float(row[x.index(i)]);
        sum += y[j] * along;
    }
    return sum;
}

template <typename Sample>
__device__ float2 weighted_chroma(const Picture& picture, const Weights& x, const Weights& y) {
    float2 sum = {0.0f, 0.0f};
#pragma unroll 1  // unrolled by columns alone: by rows too, the code outgrows the instruction cache
    for (int j = 0; j < y.taps; ++j) {
        const Pair<Sample>* row = row_of<Pair<Sample>>(picture.chroma, picture.pitch, y.index(j));
        float2 along = {0.0f, 0.0f};
        for (int i = 0; i < x.taps; ++i) {
            const Pair<Sample> pair = row[x.index(i)];
            along.x += x[i] * to_float(pair.u);
            along.y += x[i] * to_float(pair.v);
        }
        sum.x += y[j] * along.x;
        sum.y += y[j] * along.y;
    }
    return sum;
}

// `x` and `y` weigh luma samples, `cx` and `cy` chroma samples.
__device__ inline Colour weighted_colour(const Picture& picture, Weights x, Weights y, Weights cx, Weights cy) {
    const bool is_wide = picture.sample_bytes == 2;
    const float luma =
        is_wide ? weighted_luma<unsigned short>(picture, x, y) : weighted_luma<unsigned char>(picture, x, y);
    const float2 chroma =
        is_wide ? weighted_chroma<unsigned short>(picture, cx, cy) : weighted_chroma<unsigned char>(picture, cx, cy);
    return colour_of(picture, luma - picture.black, chroma.x - picture.neutral, chroma.y - picture.neutral);
}

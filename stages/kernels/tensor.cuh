// How a colour is stored in a network's input tensor. Chosen when compiling:
//
//   TENSOR_UINT8     (items, height, width, 3), BGR, rounded to the nearest
//   TENSOR_FLOAT16   (items, 3, height, width), (colour - MEAN) * GAIN; RGB with CHANNELS_RGB, else BGR
//   TENSOR_FLOAT32   likewise

#pragma once

#include "picture.cuh"

#if defined(TENSOR_UINT8)

typedef unsigned char Element;

__device__ inline void store(Element* tensor, int item, int height, int width, int row, int column, Colour colour) {
    Element* pixel = tensor + (((long long)item * height + row) * width + column) * 3;
    pixel[0] = (Element)__float2int_rn(colour.blue);
    pixel[1] = (Element)__float2int_rn(colour.green);
    pixel[2] = (Element)__float2int_rn(colour.red);
}

#else

#if defined(TENSOR_FLOAT16)
typedef unsigned short Element;  // the bits of a half: NVRTC finds cuda_fp16.h only where a toolkit is installed
__device__ inline Element element(float value) {
    Element bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#else
typedef float Element;
__device__ inline Element element(float value) { return value; }
#endif

__device__ inline void store(Element* tensor, int item, int height, int width, int row, int column, Colour colour) {
    const long long plane = (long long)height * width;
    Element* pixel = tensor + item * 3 * plane + (long long)row * width + column;
#if defined(CHANNELS_RGB)
    const float first = colour.red, last = colour.blue;
#else
    const float first = colour.blue, last = colour.red;
#endif
    pixel[0] = element((first - MEAN_0) * GAIN_0);
    pixel[plane] = element((colour.green - MEAN_1) * GAIN_1);
    pixel[2 * plane] = element((last - MEAN_2) * GAIN_2);
}

#endif

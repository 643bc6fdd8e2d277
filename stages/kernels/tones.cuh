// Film in high dynamic range, or in the wide colours of BT.2020, as a display of BT.709 shows it. The same arithmetic as
// stages/imaging/tones.py, which names its sources; there from tables of ten bits, here in floats.

#pragma once

constexpr int TRANSFER_PQ = 1, TRANSFER_HLG = 2, TRANSFER = 3, WIDE_PRIMARIES = 4;  // `Tones.code`

constexpr float WHITE_NITS = 203.0f, PQ_PEAK_NITS = 10000.0f, HLG_PEAK_NITS = 1000.0f;
constexpr float HLG_GAMMA = 1.2f, DISPLAY_GAMMA = 2.4f, KNEE = 0.6f;

__device__ inline float light_of(int transfer, float number) {  // of 0 to 1
    if (transfer == TRANSFER_PQ) {
        const float root = powf(number, 1.0f / 78.84375f);
        const float ratio = fmaxf(root - 0.8359375f, 0.0f) / (18.8515625f - 18.6875f * root);
        return powf(ratio, 1.0f / 0.1593017578125f) * (PQ_PEAK_NITS / WHITE_NITS);
    }
    if (transfer == TRANSFER_HLG) {
        return number <= 0.5f ? number * number / 3.0f
                              : (expf((number - 0.55991073f) / 0.17883277f) + 0.28466892f) / 12.0f;
    }
    return powf(number, DISPLAY_GAMMA);
}

__device__ inline float shown(float light, bool is_rolled_off) {
    light = fmaxf(light, 0.0f);
    if (is_rolled_off && light > KNEE) light = 1.0f - (1.0f - KNEE) * expf((KNEE - light) / (1.0f - KNEE));
    return 255.0f * powf(fminf(light, 1.0f), 1.0f / DISPLAY_GAMMA);
}

struct Colour {
    float blue, green, red;  // 0 to 255
};

// A call of its own: most films never come here, and are not to keep its registers.
__device__ __noinline__ Colour map_tones(int tones, Colour number) {
    const int transfer = tones & TRANSFER;
    float blue = light_of(transfer, number.blue / 255.0f);
    float green = light_of(transfer, number.green / 255.0f);
    float red = light_of(transfer, number.red / 255.0f);
    if (transfer == TRANSFER_HLG) {
        const float luminance = 0.0593f * blue + 0.6780f * green + 0.2627f * red;
        const float gain = powf(luminance, HLG_GAMMA - 1.0f) * (HLG_PEAK_NITS / WHITE_NITS);
        blue *= gain, green *= gain, red *= gain;
    }
    if (tones & WIDE_PRIMARIES) {
        const float b = blue, g = green, r = red;
        blue = 1.1187f * b - 0.1006f * g - 0.0182f * r;
        green = -0.0083f * b + 1.1329f * g - 0.1246f * r;
        red = -0.0728f * b - 0.5876f * g + 1.6605f * r;
    }
    return {shown(blue, transfer != 0), shown(green, transfer != 0), shown(red, transfer != 0)};
}

// A YOLO face detector's output to faces in source pixels: thresholded, suppressed with votes, best first.
//
// Grid: images; block: 512. Output (images, channels, anchors): xc, yc, w, h in input pixels, score; with 20 channels
// then x, y, visibility of five landmarks in input pixels.

#include "suppress.cuh"

extern "C" __global__ void yolo_head(const float* output, int channels, int anchors, const Placement* placements,
                                     float score_threshold, float iou_threshold, float strong_threshold,
                                     int max_faces, Key* all_keys, float4* all_boxes, int* counts, Record* first,
                                     Record* rest) {
    const int image = blockIdx.x;
    const float* channel = output + (long long)image * channels * anchors;
    Key* keys = all_keys + (long long)image * anchors;
    float4* boxes = all_boxes + (long long)image * anchors;

    __shared__ int candidates;
    if (threadIdx.x == 0) candidates = 0;
    __syncthreads();
    for (int anchor = threadIdx.x; anchor < anchors; anchor += blockDim.x) {
        const float score = channel[4 * anchors + anchor];
        if (!(score >= score_threshold)) continue;
        const float x = channel[anchor], y = channel[anchors + anchor];
        const float half_width = channel[2 * anchors + anchor] * 0.5f;
        const float half_height = channel[3 * anchors + anchor] * 0.5f;
        const int slot = atomicAdd(&candidates, 1);
        keys[slot] = key_of(score, anchor);
        boxes[slot] = make_float4(x - half_width, y - half_height, x + half_width, y + half_height);
    }
    __syncthreads();

    auto landmark = [&](int anchor, int k) {
        if (channels < 20) return make_float2(0.0f, 0.0f);
        return make_float2(channel[(5 + 3 * k) * anchors + anchor], channel[(6 + 3 * k) * anchors + anchor]);
    };
    auto emit = [&](int place, Key key, const float4& box, const Votes& votes) {
        auto point = [&](int k) { return votes.moved(landmark(anchor_of(key), k), k); };
        write_record(record_at(first, rest, image, place, max_faces), placements[image], key, box, point);
    };
    const int kept = keep_best(keys, boxes, candidates, iou_threshold, strong_threshold, max_faces,
                               landmark, emit);
    if (threadIdx.x == 0) counts[image] = kept;
}

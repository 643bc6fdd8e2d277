// YuNet's outputs to faces in source pixels: decoded, thresholded, suppressed with votes, best first.
//
// Grid: images; block: 512. Anchors are numbered through the strides 8, 16, 32, row by row within each. For the cell
// (c, r) of stride s: score = sqrt(clip(cls) clip(obj)), centre ((c + b0) s, (r + b1) s), size (exp(b2) s, exp(b3) s),
// landmark ((c + x) s, (r + y) s); as OpenCV's FaceDetectorYN does it.

#include "suppress.cuh"

struct Level {  // one stride's outputs of one image
    const float *classes, *objects, *boxes, *landmarks;
    int stride, columns;
};

extern "C" __global__ void yunet_head(
    const float* cls_8, const float* obj_8, const float* bbox_8, const float* kps_8,
    const float* cls_16, const float* obj_16, const float* bbox_16, const float* kps_16,
    const float* cls_32, const float* obj_32, const float* bbox_32, const float* kps_32,
    const Placement* placements, int height, int width, float squared_threshold, float iou_threshold,
    float strong_threshold, int max_faces, Key* all_keys, float4* all_boxes, int* counts, Record* first, Record* rest) {
    const int image = blockIdx.x;
    const int on_8 = (height / 8) * (width / 8), on_16 = (height / 16) * (width / 16), on_32 = (height / 32) * (width / 32);
    const int anchors = on_8 + on_16 + on_32;
    Key* keys = all_keys + (long long)image * anchors;
    float4* boxes = all_boxes + (long long)image * anchors;

    auto level_of = [&](int& anchor) -> Level {  // leaves the cell's number within the level in `anchor`
        if (anchor < on_8) {
            return {cls_8 + image * on_8, obj_8 + image * on_8, bbox_8 + image * on_8 * 4, kps_8 + image * on_8 * 10,
                    8, width / 8};
        }
        anchor -= on_8;
        if (anchor < on_16) {
            return {cls_16 + image * on_16, obj_16 + image * on_16, bbox_16 + image * on_16 * 4,
                    kps_16 + image * on_16 * 10, 16, width / 16};
        }
        anchor -= on_16;
        return {cls_32 + image * on_32, obj_32 + image * on_32, bbox_32 + image * on_32 * 4,
                kps_32 + image * on_32 * 10, 32, width / 32};
    };

    __shared__ int candidates;
    if (threadIdx.x == 0) candidates = 0;
    __syncthreads();
    for (int anchor = threadIdx.x; anchor < anchors; anchor += blockDim.x) {
        int cell = anchor;
        const Level level = level_of(cell);
        const float squared = __saturatef(level.classes[cell]) * __saturatef(level.objects[cell]);
        if (!(squared >= squared_threshold)) continue;
        const float* box = level.boxes + cell * 4;
        const float x = ((float)(cell % level.columns) + box[0]) * (float)level.stride;
        const float y = ((float)(cell / level.columns) + box[1]) * (float)level.stride;
        const float half_width = expf(box[2]) * (float)level.stride * 0.5f;
        const float half_height = expf(box[3]) * (float)level.stride * 0.5f;
        const int slot = atomicAdd(&candidates, 1);
        keys[slot] = key_of(sqrtf(squared), anchor);
        boxes[slot] = make_float4(x - half_width, y - half_height, x + half_width, y + half_height);
    }
    __syncthreads();

    auto landmark = [&](int anchor, int k) {
        int cell = anchor;
        const Level level = level_of(cell);
        const float* offset = level.landmarks + cell * 10 + 2 * k;
        return make_float2(((float)(cell % level.columns) + offset[0]) * (float)level.stride,
                           ((float)(cell / level.columns) + offset[1]) * (float)level.stride);
    };
    auto emit = [&](int place, Key key, const float4& box, const Votes& votes) {
        auto point = [&](int k) { return votes.moved(landmark(anchor_of(key), k), k); };
        write_record(record_at(first, rest, image, place, max_faces), placements[image], key, box, point);
    };
    const int kept = keep_best(keys, boxes, candidates, iou_threshold, strong_threshold, max_faces,
                               landmark, emit);
    if (threadIdx.x == 0) counts[image] = kept;
}

// Greedy non-maximum suppression of one image by one block, and the records that go back to the host.
//
// The heads collect their candidates in any order; a key orders them: the score's bits above, the complement of the
// anchor below, so the greatest key is the best score and, of equal ones, the lowest anchor. Each round finds the best
// candidate left and drops those that overlap it too much, so the cost grows with the faces kept, not with the square
// of the candidates, and no number of candidates is too many.

#pragma once

typedef unsigned long long Key;  // 0: suppressed

struct Record {  // 64 bytes; laid out as numpy's `RECORD` in stages/detect/heads/device_records.py
    float box[4];  // x1, y1, x2, y2 in source pixels
    float score;
    float landmarks[10];  // x, y of each, in source pixels
    int anchor;
};
static_assert(sizeof(Record) == 64, "laid out as numpy's RECORD");

struct Placement {  // x_input = x_source * scale_x + offset_x
    float scale_x, scale_y, offset_x, offset_y;
};

__device__ inline Key key_of(float score, int anchor) {
    return ((Key)__float_as_uint(score) << 32) | (unsigned)~anchor;
}
__device__ inline float score_of(Key key) { return __uint_as_float((unsigned)(key >> 32)); }
__device__ inline int anchor_of(Key key) { return (int)~(unsigned)key; }

__device__ inline bool overlaps(const float4& a, const float4& b, float iou_threshold) {
    const float width = fmaxf(0.0f, fminf(a.z, b.z) - fmaxf(a.x, b.x));
    const float height = fmaxf(0.0f, fminf(a.w, b.w) - fmaxf(a.y, b.y));
    const float shared = width * height;
    const float joined = (a.z - a.x) * (a.w - a.y) + (b.z - b.x) * (b.w - b.y) - shared;
    return shared > iou_threshold * joined;
}

// Keeps at most `limit` of `count` candidates, best first, and calls emit(place, key, box) for each on every thread.
// Called by all threads of a block of a multiple of 32 threads; keys and boxes are visible to all of them. Returns how
// many were kept. Thread t alone touches candidates t, t + blockDim.x, ...
template <typename Emit>
__device__ int keep_best(Key* keys, const float4* boxes, int count, float iou_threshold, int limit, Emit emit) {
    __shared__ Key warp_best[32];
    __shared__ float4 winner_box;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    Key winner = 0;
    float4 kept_box = {0.0f, 0.0f, 0.0f, 0.0f};
    int kept = 0;
    while (kept < limit) {
        Key best = 0;
        int slot = 0;
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
            const Key key = keys[i];
            if (key == 0) continue;
            if (winner != 0 && (key == winner || overlaps(boxes[i], kept_box, iou_threshold))) {
                keys[i] = 0;
            } else if (key > best) {
                best = key;
                slot = i;
            }
        }
        Key greatest = best;
        for (int step = 16; step > 0; step /= 2) {
            const Key other = __shfl_down_sync(0xffffffffu, greatest, step);
            greatest = other > greatest ? other : greatest;
        }
        if (lane == 0) warp_best[warp] = greatest;
        __syncthreads();
        winner = 0;
        for (int i = 0; i < warps; ++i) winner = warp_best[i] > winner ? warp_best[i] : winner;
        if (winner == 0) break;  // the same for all threads
        if (best == winner) winner_box = boxes[slot];  // keys differ, so one thread has it
        __syncthreads();
        kept_box = winner_box;
        emit(kept, winner, kept_box);
        ++kept;
    }
    return kept;
}

// The first FIRST_RECORDS of an image lie in one array that every batch copies back, the rest in another.
__device__ inline Record* record_at(Record* first, Record* rest, int image, int place, int max_faces) {
    if (place < FIRST_RECORDS) return first + image * FIRST_RECORDS + place;
    return rest + image * (max_faces - FIRST_RECORDS) + (place - FIRST_RECORDS);
}

// Called by all threads; the first 8 write the record's 16 words, two each. point(k) is landmark k in input pixels.
template <typename Point>
__device__ inline void write_record(Record* record, const Placement& place, Key key, const float4& box, Point point) {
    const int word = threadIdx.x;
    if (word < 2) {
        record->box[2 * word] = ((word ? box.z : box.x) - place.offset_x) / place.scale_x;
        record->box[2 * word + 1] = ((word ? box.w : box.y) - place.offset_y) / place.scale_y;
    } else if (word == 2) {
        record->score = score_of(key);
        record->anchor = anchor_of(key);
    } else if (word < 8) {
        const float2 landmark = point(word - 3);
        record->landmarks[2 * (word - 3)] = (landmark.x - place.offset_x) / place.scale_x;
        record->landmarks[2 * (word - 3) + 1] = (landmark.y - place.offset_y) / place.scale_y;
    }
}

// Greedy non-maximum suppression of one image by one block, and the records that go back to the host.
//
// The heads collect their candidates in any order; a key orders them: the score's bits above, the complement of the
// anchor below, so the greatest key is the best score and, of equal ones, the lowest anchor. Each round finds the best
// candidate left and drops those that overlap it too much, so the cost grows with the faces kept, not with the square
// of the candidates, and no number of candidates is too many.
//
// Those that are dropped vote on where the kept face is, as in stages/detect/nms.py. Votes are summed as integers: they
// come in any order, and the sum must not depend on it.

#pragma once

typedef unsigned long long Key;  // 0: suppressed

struct Record {  // 64 bytes; laid out as numpy's `RECORD` in stages/detect/heads/device/records.py
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

struct Overlap {
    float shared, joined;  // areas

    __device__ Overlap(const float4& a, const float4& b) {
        const float width = fmaxf(0.0f, fminf(a.z, b.z) - fmaxf(a.x, b.x));
        const float height = fmaxf(0.0f, fminf(a.w, b.w) - fmaxf(a.y, b.y));
        shared = width * height;
        joined = (a.z - a.x) * (a.w - a.y) + (b.z - b.x) * (b.w - b.y) - shared;
    }
    __device__ bool exceeds(float iou) const { return shared > iou * joined; }
};

constexpr float MIN_VOTING_IOU = 0.5f;
constexpr float WEIGHT_UNITS = 1048576.0f, OFFSET_UNITS = 1024.0f;  // 2^16 votes of 2^20 x 2^22 fit 64 bits
constexpr float MAX_OFFSET = 4096.0f;                               // pixels; broken numbers become this

// What the candidates say about one kept face: how far from its own corners and landmarks they see them.
struct Votes {
    unsigned long long weight;
    unsigned long long offsets[14];  // two's complement; box corners, then landmarks

    __device__ static unsigned weight_of(Key key) {
        const float squared = score_of(key) * score_of(key);
        return max(1u, __float2uint_rn(squared * squared * WEIGHT_UNITS));
    }
    __device__ void begin(Key key) {
        weight = weight_of(key);
        for (int k = 0; k < 14; ++k) offsets[k] = 0;
    }
    __device__ void add(unsigned weight_of_vote, int k, float offset) {
        const float bounded = fminf(fmaxf(offset, -MAX_OFFSET), MAX_OFFSET);
        const long long weighed = (long long)weight_of_vote * __float2int_rn(bounded * OFFSET_UNITS);
        atomicAdd(&offsets[k], (unsigned long long)weighed);
    }
    __device__ float offset(int k) const {
        return (float)((double)(long long)offsets[k] / (double)weight) / OFFSET_UNITS;
    }
    __device__ float4 moved(const float4& box) const {
        return {box.x + offset(0), box.y + offset(1), box.z + offset(2), box.w + offset(3)};
    }
    __device__ float2 moved(const float2& landmark, int k) const {
        return {landmark.x + offset(4 + 2 * k), landmark.y + offset(5 + 2 * k)};
    }
};

// Adds one candidate's vote for a kept one. landmark(anchor, k) is landmark k in input pixels.
template <typename Landmark>
__device__ void vote(Votes& votes, Key voter, const float4& at, Key winner, const float4& box, Landmark landmark) {
    const unsigned weight = Votes::weight_of(voter);
    atomicAdd(&votes.weight, (unsigned long long)weight);
    votes.add(weight, 0, at.x - box.x);
    votes.add(weight, 1, at.y - box.y);
    votes.add(weight, 2, at.z - box.z);
    votes.add(weight, 3, at.w - box.w);
    for (int k = 0; k < 5; ++k) {
        const float2 own = landmark(anchor_of(winner), k), other = landmark(anchor_of(voter), k);
        votes.add(weight, 4 + 2 * k, other.x - own.x);
        votes.add(weight, 5 + 2 * k, other.y - own.y);
    }
}

// Keeps at most `limit` of `count` candidates, best first, and calls emit(place, key, box, votes) for each on every
// thread; `box` is already moved by the votes. Called by all threads of a block of a multiple of 32 threads; keys and
// boxes are visible to all of them. Candidates below strong_threshold have no vote on faces that reach it, so those are
// the same whatever else is there. Returns how many were kept. Thread t alone touches candidates t, t + blockDim.x, ...
template <typename Landmark, typename Emit>
__device__ int keep_best(Key* keys, const float4* boxes, int count, float iou_threshold, float strong_threshold,
                         int limit, Landmark landmark, Emit emit) {
    __shared__ Key warp_best[32];
    __shared__ float4 winner_box;
    __shared__ Votes votes;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    Key winner = 0;
    float4 box = {0.0f, 0.0f, 0.0f, 0.0f};
    int kept = 0;
    while (true) {
        // One sweep drops what the last winner suppresses and finds the next one.
        Key best = 0;
        int slot = 0;
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
            const Key key = keys[i];
            if (key == 0) continue;
            const Overlap overlap(boxes[i], box);
            if (key == winner) {
                keys[i] = 0;
            } else if (winner != 0 && overlap.exceeds(iou_threshold)) {
                keys[i] = 0;
                const bool may_vote = score_of(key) >= strong_threshold || score_of(winner) < strong_threshold;
                if (may_vote && overlap.shared >= MIN_VOTING_IOU * overlap.joined)
                    vote(votes, key, boxes[i], winner, box, landmark);
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
        if (winner != 0) emit(kept - 1, winner, votes.moved(box), votes);
        winner = 0;
        for (int i = 0; i < warps; ++i) winner = warp_best[i] > winner ? warp_best[i] : winner;
        if (winner == 0 || kept == limit) return kept;  // the same for all threads
        if (best == winner) winner_box = boxes[slot];   // keys differ, so one thread has it
        __syncthreads();
        if (threadIdx.x == 0) votes.begin(winner);
        box = winner_box;
        ++kept;
        __syncthreads();
    }
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

// A pure read of a model's weights: the ceiling of decoding.
//
// One new token needs every weight once and does two operations with it, so it takes as long as the weights take to
// come from memory. Here they come from the same memory, on the same threads, in the way that was found to be fastest,
// and nothing is computed: what decoding reaches is a share of this.
#pragma once

#include "gemma/model/weights.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gemma::bench {

class WeightReader {
public:
    /// Views the weights, which must outlive it.
    explicit WeightReader(const Weights& weights);

    /// Bytes of all matrices; the norms' few thousand numbers are left out.
    std::size_t bytes() const { return bytes_; }

    /// Reads all of them on all threads. Returns a sum over what it read, which nobody needs, so that it is read.
    std::uint64_t read() const;

private:
    struct Piece {
        const std::byte* data;
        std::size_t bytes;
    };

    std::vector<Piece> pieces_;
    std::size_t bytes_ = 0;
};

}  // namespace gemma::bench

// The KV cache: the keys and values of all tokens so far, so that a new token costs one row of work.
#pragma once

#include "gemma/components/mqa.hpp"
#include "gemma/model/config.hpp"
#include "gemma/precision.hpp"

#include <cstddef>
#include <vector>

namespace gemma {

/// One KeyValues for each layer: 2 · L · K · d numbers a token, of 4 bytes in float32 and 2 in bfloat16.
class KVCache {
public:
    /// Room for `capacity` tokens; memory is taken up only as they come.
    KVCache(const Config& config, std::size_t capacity, Precision precision = Precision::float32);

    /// Tokens seen so far; also the position of the next one.
    std::size_t length() const { return layers_.front().length; }

    std::size_t capacity() const { return layers_.front().capacity(); }

    Precision precision() const { return layers_.front().precision(); }

    KeyValues& layer(std::size_t index) { return layers_[index]; }

    /// Forgets all but the first `length` tokens.
    void truncate(std::size_t length);

private:
    std::vector<KeyValues> layers_;
};

}  // namespace gemma

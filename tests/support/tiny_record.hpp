// What a tiny model computes on the way, recorded.
#pragma once

#include "gemma/trace/recorder.hpp"
#include "gemma/trace/trace.hpp"
#include "tests/support/tiny_model.hpp"

namespace gemma {

/// Records a tiny model reading `tiny_prompt` in two calls.
inline void record(Recorder& recorder) {
    const Model model = tiny_model(tiny_config(), 7);
    KVCache cache(model.config(), tiny_prompt.size());
    model.forward({2, 17, 5}, cache, Trace(recorder));
    model.forward({88, 41}, cache, Trace(recorder));
}

}  // namespace gemma

// How many threads a test runs on; at its end as many as before.
#pragma once

#include "gemma/parallel.hpp"

#include <cstddef>

namespace gemma {

struct Threads {
    explicit Threads(std::size_t count) { set_threads(count); }
    ~Threads() { set_threads(before); }

    std::size_t before = threads();
};

}  // namespace gemma

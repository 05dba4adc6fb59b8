// How long something takes.
#pragma once

#include <chrono>

namespace gemma::bench {

class Clock {
public:
    /// Seconds since the clock was made, or since the last restart.
    double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

    void restart() { start_ = std::chrono::steady_clock::now(); }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace gemma::bench

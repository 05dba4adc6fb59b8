// A fuzz target: a reader of something that comes from outside, and inputs to begin with.
//
// The reader must return, or throw an Error of one line. All else is a finding: another exception, a crash, a read or a
// write outside of its memory, a number that overflows, a hang, memory without a limit, and what `require` says.
#pragma once

#include "gemma/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

struct Target {
    const char* name;
    std::function<void(const std::string& input)> read;
    std::function<std::vector<std::string>()> seeds;
};

/// Every target of the program it is in.
inline std::vector<Target>& targets() {
    static std::vector<Target> all;
    return all;
}

/// A static one of these in a target's file makes it known.
struct Register {
    explicit Register(Target target) { targets().push_back(std::move(target)); }
};

/// Ends the program where what a reader made of its input cannot be.
inline void require(bool holds, std::string_view what) {
    if (holds) return;
    std::fprintf(stderr, "this does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}

/// Calls a reader that may refuse its input, in one line without control characters; whether it took it.
template <typename Read>
bool taken(const Read& read) {
    try {
        read();
        return true;
    } catch (const gemma::Error& error) {
        const std::string_view line = error.what();
        require(!line.empty(), "an Error says what is wrong");
        for (const unsigned char c : line) require(c >= 0x20 && c != 0x7f, "an Error is one line of printable text");
        return false;
    }
}

/// Adds up all bytes, so that each is read.
inline unsigned sum(const void* data, std::size_t bytes) {
    unsigned total = 0;
    for (std::size_t i = 0; i < bytes; ++i) total += static_cast<const unsigned char*>(data)[i];
    return total;
}

}  // namespace fuzz

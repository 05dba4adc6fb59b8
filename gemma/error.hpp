// The one exception of the library: bad input, told in one line.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace gemma {

/// Input that cannot be used: a file cut short, a shape that does not fit, a token out of range.
/// what() is one line that names the file or argument, what was found and what was expected.
/// The programs print it and exit with code 2.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Throws an Error with a formatted message: fail("{}: found {}, expected {}", file, found, expected).
template <typename... Arguments>
[[noreturn]] void fail(fmt::format_string<Arguments...> message, Arguments&&... arguments) {
    throw Error(fmt::format(message, std::forward<Arguments>(arguments)...));
}

}  // namespace gemma

#include "gemma/trace/record.hpp"

#include "gemma/error.hpp"
#include "gemma/json.hpp"

#include <charconv>
#include <system_error>

namespace gemma {

TokenRange parse_token_range(const std::string& text) {
    const char* const end = text.data() + text.size();
    TokenRange range;
    const auto first = std::from_chars(text.data(), end, range.begin);
    if (first.ec == std::errc() && first.ptr != end && *first.ptr == ':') {
        const auto last = std::from_chars(first.ptr + 1, end, range.end);
        if (last.ec == std::errc() && last.ptr == end && range.begin < range.end) return range;
    }
    fail("found {}, expected a:b for the tokens a to b - 1, such as 0:4", excerpt(text));
}

}  // namespace gemma

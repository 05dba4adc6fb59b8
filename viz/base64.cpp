#include "viz/base64.hpp"

#include <cstdint>

namespace viz {

namespace {

constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64(const void* data, std::size_t bytes) {
    const auto* from = static_cast<const unsigned char*>(data);
    std::string text((bytes + 2) / 3 * 4, '=');
    char* to = text.data();
    for (; bytes >= 3; bytes -= 3, from += 3, to += 4) {
        const std::uint32_t group = from[0] << 16 | from[1] << 8 | from[2];
        to[0] = letters[group >> 18];
        to[1] = letters[group >> 12 & 63];
        to[2] = letters[group >> 6 & 63];
        to[3] = letters[group & 63];
    }
    if (bytes > 0) {  // one or two are left
        const std::uint32_t group = from[0] << 16 | (bytes == 2 ? from[1] << 8 : 0);
        to[0] = letters[group >> 18];
        to[1] = letters[group >> 12 & 63];
        if (bytes == 2) to[2] = letters[group >> 6 & 63];
    }
    return text;
}

}  // namespace viz

// The bytes of .safetensors files, put together by hand.
#pragma once

#include <cstdint>
#include <string>

namespace fuzz {

/// A number as its bytes, the lowest first.
inline std::string little_endian(std::uint64_t number, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(number >> 8 * i & 0xff));
    return text;
}

inline std::string safetensors(const std::string& header, const std::string& numbers) {
    return little_endian(header.size(), 8) + header + numbers;
}

}  // namespace fuzz

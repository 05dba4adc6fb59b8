// The bytes of numpy's arrays and of .zip files, put together by hand.
#pragma once

#include "tests/fuzz/safetensors.hpp"

#include <zlib.h>

#include <string>

namespace fuzz {

inline std::string npy(int version, const std::string& header, const std::string& numbers) {
    return "\x93NUMPY" + little_endian(static_cast<std::uint64_t>(version), 2) +
           little_endian(header.size(), version == 1 ? 2 : 4) + header + numbers;
}

inline std::string deflated(const std::string& text) {
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
    std::string packed(deflateBound(&stream, text.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}

/// A .zip file with one entry.
inline std::string zip(const std::string& name, const std::string& content, bool packed) {
    const std::string stored = packed ? deflated(content) : content;
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size());
    const std::string common = little_endian(packed ? Z_DEFLATED : 0, 2) + little_endian(0, 4) + little_endian(crc, 4) +
                               little_endian(stored.size(), 4) + little_endian(content.size(), 4) +
                               little_endian(name.size(), 2) + little_endian(0, 2);
    const std::string local = "PK\x03\x04" + little_endian(20, 2) + little_endian(0, 2) + common + name + stored;
    const std::string entry = "PK\x01\x02" + little_endian(20, 2) + little_endian(20, 2) + little_endian(0, 2) +
                              common + little_endian(0, 2) + little_endian(0, 4) + little_endian(0, 4) +
                              little_endian(0, 4) + name;
    return local + entry + "PK\x05\x06" + little_endian(0, 4) + little_endian(1, 2) + little_endian(1, 2) +
           little_endian(entry.size(), 4) + little_endian(local.size(), 4) + little_endian(0, 2);
}

}  // namespace fuzz

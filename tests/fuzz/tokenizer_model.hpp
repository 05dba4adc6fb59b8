// A small tokenizer.model, field by field: Gemma's special tokens, all bytes, and a few letters.
#pragma once

#include "gemma/text/tokenizer.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace fuzz {

inline std::string varint(std::uint64_t value) {
    std::string bytes;
    for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(0x80 | (value & 0x7f)));
    return bytes + static_cast<char>(value);
}

/// A field of a number, and one of bytes: a text, or a message.
inline std::string setting(std::uint64_t number, std::uint64_t value) { return varint(number << 3) + varint(value); }
inline std::string field(std::uint64_t number, const std::string& bytes) {
    return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

/// Types: 1 text, 2 the unknown token, 3 control, 4 user defined, 5 unused, 6 byte.
inline std::string piece(const std::string& text, float score, std::uint64_t type) {
    char bytes[sizeof score];
    std::memcpy(bytes, &score, sizeof score);
    return field(1, field(1, text) + varint(2 << 3 | 5) + std::string(bytes, sizeof bytes) + setting(3, type));
}

inline const std::string& good_tokenizer() {
    static const std::string model = [] {
        using gemma::SpecialTokens;
        std::string pieces = piece("<pad>", 0, 3) + piece("<eos>", 0, 3) + piece("<bos>", 0, 3) + piece("<unk>", 0, 2);
        for (int id = SpecialTokens::mask; id <= SpecialTokens::end_of_turn; ++id) {
            pieces += piece(id == SpecialTokens::start_of_turn ? "<start_of_turn>"
                            : id == SpecialTokens::end_of_turn ? "<end_of_turn>"
                                                               : fmt::format("<unused{}>", id),
                            0, 4);
        }
        for (const char* const text : {"\n", "\n\n"}) pieces += piece(text, 0, 4);
        for (int byte = 0; byte < 256; ++byte) pieces += piece(fmt::format("<0x{:02X}>", byte), 0, 6);
        for (const char* const text : {"\xE2\x96\x81", "t", "h", "e", "a"}) pieces += piece(text, -1, 1);
        const std::string trainer = setting(3, 2) + setting(35, 1) + setting(40, 3) + setting(41, 2) + setting(42, 1) +
                                    setting(43, 0) + field(45, "<unk>") + field(46, "<bos>") + field(47, "<eos>") +
                                    field(48, "<pad>");
        return pieces + field(2, trainer) + field(3, field(1, "identity") + setting(3, 0) + setting(4, 0));
    }();
    return model;
}

}  // namespace fuzz

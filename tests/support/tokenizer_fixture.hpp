// The small model's tokenizer, and what sentencepiece's Python package makes of some texts
// (tests/reference/make_tokenizer_fixture.py says how).
#pragma once

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/text/tokenizer.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace gemma {

inline const Tokenizer& nano_tokenizer() {
    static const Tokenizer tokenizer(embedded_model() / "tokenizer.model");
    return tokenizer;
}

inline const nlohmann::json& tokenizer_fixture() {
    static const nlohmann::json fixture = [] {
        const std::filesystem::path file = std::filesystem::path(GEMMA_FIXTURES) / "tokenizer" / "nano.json";
        std::ifstream stream(file);
        if (!stream) throw std::runtime_error("cannot read " + file.string());
        return nlohmann::json::parse(stream);
    }();
    return fixture;
}

}  // namespace gemma

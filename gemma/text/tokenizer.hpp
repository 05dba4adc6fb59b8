// Text into tokens and back, with sentencepiece.
//
// SentencePiece (Kudo, Richardson 2018). Gemma's tokenizer is a byte-pair encoding (Sennrich et al. 2016) of 256,000
// pieces: bytes stand in for what no piece covers, numbers are split into digits, spaces are kept as they are.
//
//   0 … 3      <pad>, <eos>, <bos>, <unk>                   never made from text
//   4 … 107    <mask>, …, <start_of_turn>, <end_of_turn>    sentencepiece makes them from text, encode() does not
//   108 …      "\n", "\n\n", "<b>", <0x00>, "▁the", …        made from text
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

/// The ids that mean something to the model, at the same places in every Gemma tokenizer.
struct SpecialTokens {
    static constexpr int pad = 0;
    static constexpr int eos = 1;  // the end of a text
    static constexpr int bos = 2;  // the beginning of a text: every prompt has exactly one
    static constexpr int unk = 3;
    static constexpr int mask = 4;
    static constexpr int start_of_turn = 106;
    static constexpr int end_of_turn = 107;  // the last control token: what follows is text
};

/// A tokenizer.model file.
class Tokenizer {
public:
    /// Throws an Error when the file is missing or is no sentencepiece model, when its special tokens are not at
    /// Gemma's places, or when it changes text on the way there and back (another normalization, no byte fallback).
    explicit Tokenizer(const std::filesystem::path& file);
    ~Tokenizer();
    Tokenizer(Tokenizer&&) noexcept;
    Tokenizer& operator=(Tokenizer&&) noexcept;

    /// The tokens of a text, without bos. What looks like a control token in the text ("<end_of_turn>") stays text:
    /// nobody ends a turn by typing its name. Throws an Error when the text is not UTF-8.
    std::vector<int> encode(std::string_view text) const;

    /// A prompt: one bos, then the text's tokens.
    std::vector<int> encode_prompt(std::string_view text) const;

    /// The text of tokens; control tokens (bos, start_of_turn, ...) are left out. decode(encode(text)) is the text,
    /// but for the character "▁" (U+2581), which sentencepiece writes for a space and reads as one. Bytes that make
    /// no character become "�". Throws an Error for an unknown id.
    std::string decode(const std::vector<int>& tokens) const;

    /// What one token adds to a text: some characters, or a single byte of one; nothing for a control token.
    /// Throws an Error for an unknown id.
    std::string bytes(int token) const;

    /// How one token looks: a piece of text, "<bos>", "<0x0A>"; a space is shown as "▁". Throws an Error for an unknown
    /// id.
    std::string piece(int token) const;

    std::size_t vocab_size() const;

private:
    struct Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace gemma

// A tokenizer.model file, looked through before sentencepiece gets it.
//
// The file is a protocol buffer (sentencepiece_model.proto): a row of fields, each a number, a kind and a value.
// sentencepiece 0.1.97 believes some of what is in it. It walks a normalization table without a check of its bounds; it
// keeps the user defined pieces that begin at a place of the text in an array of 64, and reads beyond its end where
// more do; and it takes a piece apart with a function that calls itself, once for each byte. Gemma's tokenizers have no
// table and no such pieces, so a file that has them is refused.
//
//   1 pieces           1 piece (text), 2 score (float32), 3 type (4: user defined)
//   2 trainer_spec     3 model_type: 2 is byte-pair encoding, what Gemma has
//   3 normalizer_spec, 5 denormalizer_spec    2 precompiled_charsmap: empty, text stays as it is
#pragma once

#include <string>
#include <string_view>

namespace gemma {

/// Throws an Error that begins with `source` for bytes that are no such file: cut short, of another kind than byte-pair
/// encoding, with a normalization table, or with a piece that is too long, no UTF-8 or has a score that is no number.
void require_tokenizer_file(std::string_view bytes, const std::string& source);

}  // namespace gemma

// One web page that opens from disk, offline: a trace to step through, and pictures.
//
// Script and style are files of their own under viz/page/, put into the program when it is built. The numbers are in
// the page too: each tensor as the base64 of its float32 numbers, little endian, row major, which the page decodes when
// it first shows it. The page asks the network for nothing, and forbids itself to (Content-Security-Policy).
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/trace_file.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace viz {

/// A picture with the text below it.
struct Figure {
    std::string name;  // a file name without its end: "gelu_forms"
    std::string caption;
    std::string svg;
};

/// What a page shows. All but the title may be missing.
struct Page {
    std::string title;
    std::vector<Figure> figures = {};

    const gemma::Record* record = nullptr;  // the trace
    gemma::TraceHeader header = {};         // of its run; without a model's name its rows are not those of tokens
    const gemma::Record* other = nullptr;   // another trace of the same tokens, to show where they differ
    gemma::TraceHeader other_header = {};

    const gemma::Model* model = nullptr;          // for what the trace does not say: the config, the logit lens
    const gemma::Tokenizer* tokenizer = nullptr;  // for the tokens' texts
};

/// A page holds no more numbers than these bytes: browsers read it whole.
constexpr std::size_t page_limit = 256u << 20;

/// The page as HTML. Throws an Error when its numbers are over the limit: it says which names or tokens to choose.
std::string to_html(const Page& page);

/// Writes it, tensor by tensor, into a file. Throws an Error as well when that cannot be written; then nothing is left
/// behind.
void write_page(const std::filesystem::path& file, const Page& page);

}  // namespace viz

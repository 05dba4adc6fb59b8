// One web page that opens from disk, offline: a trace to step through, and pictures.
//
// Script and style are files of their own under viz/page/, put into the program when it is built; the data is in the
// page, as base64.
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
    gemma::TraceHeader header = {};         // of its run
    const gemma::Record* other = nullptr;   // another trace of the same tokens, to show where they differ

    const gemma::Model* model = nullptr;          // for what the trace does not say: the config, the logit lens
    const gemma::Tokenizer* tokenizer = nullptr;  // for the tokens' texts
};

/// Writes the page. Throws an Error when it cannot be written, and when the trace is over the limit of a page
/// (page_limit bytes of numbers): then it says which names or tokens to choose.
void write_page(const std::filesystem::path& file, const Page& page);

constexpr std::size_t page_limit = 256u << 20;

}  // namespace viz
